import pytest

from local_azure.choices import Choices
from local_azure.errors import LocalAzureError


def test_nothing_named_means_everything_is_ours():
    assert Choices.from_environment({}) == Choices()


ALL = {
    "CONVERGE_LOCAL_KUBECONTEXT": "kind-kind",
    "CONVERGE_LOCAL_REGISTRY": "localhost:5000",
    "CONVERGE_LOCAL_BUILDER": "mine",
    "CONVERGE_LOCAL_BASE_IMAGE": "python@sha256:" + "0" * 64,
}


@pytest.mark.parametrize("missing", ALL)
def test_all_are_named_or_none(missing: str):
    with pytest.raises(LocalAzureError, match=f" is set, but not {missing}: a cluster of your own cannot pull"):
        Choices.from_environment({name: value for name, value in ALL.items() if name != missing})


def test_an_empty_variable_names_nothing():
    assert not Choices.from_environment(dict.fromkeys(ALL, "")).own_services


def test_all_of_them_together_fit():
    choices = Choices.from_environment(ALL)
    assert choices.own_services
    assert choices.kube_context == "kind-kind"
