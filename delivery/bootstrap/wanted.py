"""What is to be made for a stack, from its file: keys of the namespace `bootstrap`, so that everybody makes the same."""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from delivery.azure.errors import AzureError
from delivery.azure.login import Caller
from delivery.azure.stack_file import StackFile
from delivery.bootstrap import names

AUDIENCE = "api://AzureADTokenExchange"
_GITHUB = "https://token.actions.githubusercontent.com"
_NAMESPACE = "bootstrap:"
_GUID = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"


def _addresses(text: str) -> str:
    """An address range, without the bits of hosts, that Azure's firewalls take."""
    network = IPv4Network(text)
    if network.prefixlen > 30 and "/" in text:
        raise ValueError("a range of four addresses or more, or single addresses without a prefix")
    return text


class _Typed(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)


class Connection(_Typed):
    """What Azure Pipelines shows for a service connection while it is a draft."""

    issuer: str = Field(pattern=r"^https://\S+$")
    subject: str = Field(min_length=3)


class Connections(_Typed):
    """The two service connections."""

    plan: Connection
    deploy: Connection


class Principal(_Typed):
    """Who uses the state besides the pipeline."""

    principal_id: str = Field(pattern=_GUID)
    principal_type: Literal["User", "Group", "ServicePrincipal"]


class Keys(_Typed):
    """Everything that a stack file can say in the namespace `bootstrap`."""

    github: str = Field(default="", pattern=r"^([A-Za-z0-9-]+/[A-Za-z0-9._-]+)?$")
    azure_pipelines: Connections | None = None
    operators: Principal | None = None
    allowed_ip_ranges: list[Annotated[str, AfterValidator(_addresses)]] = []
    redundancy: Literal["Standard_LRS", "Standard_ZRS", "Standard_GRS", "Standard_GZRS"] = "Standard_ZRS"


_ALLOWED = {
    "github": "<owner>/<name> of the repository",
    "azurePipelines": "{plan: {issuer, subject}, deploy: {issuer, subject}}, copied from the drafts of two service connections",
    "operators": "{principalId: <object id>, principalType: Group}: the people who deploy by hand and repair the state",
    "allowedIpRanges": "a list of public IPv4 addresses or ranges, such as [203.0.113.0/24]",
    "redundancy": "Standard_LRS, Standard_ZRS, Standard_GRS or Standard_GZRS",
}


@dataclass(frozen=True, kw_only=True)
class FederatedCredential:
    """Whose tokens are taken for the identity."""

    name: str
    issuer: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What bootstrap makes."""

    stack: str
    subscription_id: str
    tenant_id: str
    location: str
    operators: Principal
    plan: tuple[FederatedCredential, ...]
    """Who may become the identity that reads."""
    deploy: tuple[FederatedCredential, ...]
    """Who may become the identity that deploys."""
    redundancy: str
    allowed_ip_ranges: tuple[str, ...]
    """Public addresses that reach state and key. Empty: every address does, and only identities with a grant get in."""
    tags: Mapping[str, str]

    @property
    def group(self) -> str:
        return names.group(self.stack)

    @property
    def account(self) -> str:
        return names.storage_account(self.subscription_id, self.stack)

    @property
    def vault(self) -> str:
        return names.vault(self.subscription_id, self.stack)

    @property
    def backend_url(self) -> str:
        """What `pulumi login` takes."""
        return f"azblob://{names.CONTAINER}?storage_account={self.account}"

    @property
    def secrets_provider(self) -> str:
        """What `pulumi stack init --secrets-provider` takes."""
        return f"azurekeyvault://{self.vault}.vault.azure.net/keys/{names.KEY}"


def from_file(file: StackFile, caller: Caller) -> Wanted:
    """What the stack's file asks for.

    Args:
        caller: who runs bootstrap; the operator, where neither `bootstrap:operators` nor a group in `converge:deployer` is given.

    Raises:
        AzureError: with every problem of the keys.
    """
    keys = read_keys(file)
    github = [("pull-request", "pull_request"), ("environment", f"environment:{file.stack}-plan")]
    pipelines = keys.azure_pipelines
    return Wanted(
        stack=file.stack,
        subscription_id=file.subscription_id,
        tenant_id=caller.tenant_id,
        location=file.location,
        operators=keys.operators or _deployer(file) or Principal.model_validate({"principalId": caller.object_id, "principalType": caller.kind}),
        plan=(*_github(keys.github, github), *_pipelines(pipelines.plan if pipelines else None)),
        deploy=(*_github(keys.github, [("environment", f"environment:{file.stack}")]), *_pipelines(pipelines.deploy if pipelines else None)),
        redundancy=keys.redundancy,
        allowed_ip_ranges=tuple(keys.allowed_ip_ranges),
        tags={str(name): str(value) for name, value in file.section("converge:tags").items()},
    )


def read_keys(file: StackFile) -> Keys:
    """The keys of the namespace, checked.

    Raises:
        AzureError: with every problem of them.
    """
    given = {key.removeprefix(_NAMESPACE): value for key, value in file.values.items() if key.startswith(_NAMESPACE)}
    try:
        keys = Keys.model_validate(given)
    except ValidationError as error:
        problems = dict.fromkeys(_problem(str(detail["loc"][0]), given) for detail in error.errors())
        raise AzureError("\n".join(f"{file.path.name}: {problem}" for problem in problems)) from error
    if not keys.github and keys.azure_pipelines is None:
        raise AzureError(
            f"{file.path.name}: nobody is named who may become the pipeline's identities. Add below `config:` a line `bootstrap:github: <owner>/<name>`, "
            f"or `bootstrap:azurePipelines: {_ALLOWED['azurePipelines']}`"
        )
    return keys


def _problem(name: str, given: Mapping[str, Any]) -> str:
    if name not in _ALLOWED:
        return f"bootstrap:{name} is no key; there are {', '.join(f'bootstrap:{known}' for known in _ALLOWED)}"
    return f"bootstrap:{name} is {given[name]!r}; it must be {_ALLOWED[name]}"


def _deployer(file: StackFile) -> Principal | None:
    """The stack's own group of everybody who deploys. A single identity is no operator: a person must be able to repair the state."""
    if file.get("converge:deployer.principalType") != "Group":
        return None
    try:
        return Principal.model_validate({"principalId": file.get("converge:deployer.principalId"), "principalType": "Group"})
    except ValidationError as error:
        raise AzureError(
            f"{file.path.name}: converge:deployer.principalId is missing or no GUID; `az ad group show --group <name> --query id` tells it"
        ) from error


def _github(repository: str, subjects: list[tuple[str, str]]) -> list[FederatedCredential]:
    if not repository:
        return []
    return [FederatedCredential(name=f"github-{name}", issuer=_GITHUB, subject=f"repo:{repository}:{subject}") for name, subject in subjects]


def _pipelines(connection: Connection | None) -> list[FederatedCredential]:
    if connection is None:
        return []
    return [FederatedCredential(name="azure-pipelines", issuer=connection.issuer, subject=connection.subject)]
