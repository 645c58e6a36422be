import pytest

from local_azure.choices import Choices
from local_azure.errors import LocalAzureError


def test_nothing_named_means_everything_is_ours():
    assert Choices.from_environment({}) == Choices()


@pytest.mark.parametrize(
    ("environment", "missing"),
    [
        ({"CONVERGE_LOCAL_BUILDER": "mine"}, "CONVERGE_LOCAL_BASE_IMAGE"),
        ({"CONVERGE_LOCAL_REGISTRY": "localhost:5000"}, "CONVERGE_LOCAL_BUILDER"),
        ({"CONVERGE_LOCAL_KUBECONTEXT": "kind-kind"}, "CONVERGE_LOCAL_REGISTRY"),
    ],
)
def test_choices_that_do_not_fit_name_the_variable_that_is_missing(environment: dict[str, str], missing: str):
    with pytest.raises(LocalAzureError, match=missing):
        Choices.from_environment(environment)


def test_all_of_them_together_fit():
    choices = Choices.from_environment(
        {
            "CONVERGE_LOCAL_KUBECONTEXT": "kind-kind",
            "CONVERGE_LOCAL_REGISTRY": "localhost:5000",
            "CONVERGE_LOCAL_BUILDER": "mine",
            "CONVERGE_LOCAL_BASE_IMAGE": "python@sha256:" + "0" * 64,
        }
    )
    assert choices.kube_context == "kind-kind"
