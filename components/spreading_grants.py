"""Operations that Azure refuses because a grant has not spread yet: they are tried again, for a bounded time, and said to be."""

import re
from collections.abc import Sequence

import pulumi

from components.patience import AwaitedGrant, KnownGrant, Patience, how_to_look, listed, spoken

_CODES = (
    # Azure Resource Manager, when the caller, or the caller on a linked resource, lacks an action: "Troubleshoot common Azure deployment errors".
    "AuthorizationFailed",
    "LinkedAuthorizationFailed",
    # AKS, when its control plane may not give the kubelet its identity: "Use a managed identity in AKS". Azure Service Operator tries it again, too.
    "CustomKubeletIdentityMissingPermissionError",
    # AKS, when its control plane may not write to a private DNS zone of one's own: "Create a private AKS cluster".
    "CustomPrivateDNSZoneMissingPermissionError",
    # Azure RBAC, when an identity has not been replicated yet: "Troubleshoot Azure RBAC".
    "PrincipalNotFound",
    # Key Vault's data plane: "Azure Key Vault REST API error codes".
    "ForbiddenByRbac",
)
_ABOUT_RIGHTS = re.compile(rf"\b({'|'.join(_CODES)})\b")
_REFUSED = re.compile(r"object id '([0-9a-fA-F-]{36})'")
"""Whom Azure Resource Manager refuses, in the message of AuthorizationFailed and LinkedAuthorizationFailed."""
_HALF_DONE = re.compile(r"^\d+ errors? occurred:|^resource init failed")
"""How the engine words the failure of a resource that exists nevertheless."""
_MOST_ATTEMPTS = 99
"""One more, and the engine gives up by itself and forgets the error."""


def retrying(name: str, grants: Sequence[AwaitedGrant], patience: Patience | None = None) -> pulumi.ResourceOptions:
    """Options for one resource whose creation or change needs grants that were made just before. Merge them with its own.

    Only refusals for want of a right are tried again, and only those that may be about one of the grants; everything else fails at once, as ever.
    At the end of the patience an error says which grant on which scope is missing and how to look.

    Args:
        name: of the resource; the hook's name follows from it and must be unique in the program.
        grants: what the operation needs.
    """
    waiting = _Waiting(name, grants, patience or Patience())
    hook = pulumi.ErrorHook(f"{name}-spreading-grants", waiting.shall_retry)
    return pulumi.ResourceOptions(hooks=pulumi.ResourceHookBinding(on_error=[hook]))


class _Waiting:
    """Decides after each failed attempt; the engine calls it until it says no."""

    def __init__(self, name: str, grants: Sequence[AwaitedGrant], patience: Patience) -> None:
        self._name = name
        self._grants = grants
        self._patience = patience
        self._since: float | None = None

    async def shall_retry(self, args: pulumi.ErrorHookArgs) -> bool:
        """Whether to try again, answered after a pause."""
        error = args.errors[0] if args.errors else ""
        if pulumi.runtime.is_dry_run() or args.failed_operation == "delete" or not _ABOUT_RIGHTS.search(error):
            return False
        grants = _possible(error, [await grant.known() for grant in self._grants])
        if not grants:
            return False
        if args.failed_operation == "create" and _HALF_DONE.search(error):
            # It is in the state now, and the next update continues it. Another create would be refused, since it exists, and it would be forgotten.
            pulumi.log.error(f"{self._name} was begun, but Azure could not finish it without {listed(grants)}. {how_to_look(grants)}")
            return False
        now = self._patience.clock()
        self._since = now if self._since is None else self._since
        waited = now - self._since
        if waited >= self._patience.at_most or len(args.errors) >= _MOST_ATTEMPTS:
            pulumi.log.error(
                f"{self._name}: Azure still refuses it after {spoken(waited)} and {len(args.errors)} attempts. Missing: {listed(grants)}. {how_to_look(grants)}"
            )
            return False
        pause = self._patience.pause_after(len(args.errors), self._patience.at_most - waited)
        pulumi.log.info(
            f"{self._name} waits for {listed(grants)} to take effect: {spoken(waited)} so far, at most {spoken(self._patience.at_most)}; "
            f"attempt {len(args.errors) + 1} in {spoken(pause)}"
        )
        await self._patience.sleep(pause)
        return True


def _possible(error: str, grants: Sequence[KnownGrant]) -> list[KnownGrant]:
    """The grants that the refusal may be about: those of whom it names, and among them those whose role or scope it names, if it does."""
    refused = {found.lower() for found in _REFUSED.findall(error)}
    concerned = [grant for grant in grants if not refused or grant.principal_id.lower() in refused]
    named = [grant for grant in concerned if grant.role in error or grant.scope.lower() in error.lower()]
    return named or concerned
