"""The condition under which who deploys may assign roles, in Azure's own language (attribute-based access control, version 2.0)."""

from collections.abc import Iterable

from delivery.azure.roles import ASSIGNED_BY_STACKS, BuiltIn

VERSION = "2.0"
PRINCIPAL_TYPES = ("ServicePrincipal", "Group")
"""Identities and groups. Never a user: nobody can give a right to themselves or to a colleague through the pipeline."""
_ASSIGNMENTS = "Microsoft.Authorization/roleAssignments"


def text(roles: Iterable[BuiltIn] = ASSIGNED_BY_STACKS) -> str:
    """Only these roles may be assigned and removed, and only for identities and groups.

    Two halves, because Azure knows what is to be written as attributes of the request, and what is to be removed as attributes of the resource.
    """
    ids = ", ".join(sorted(role.id for role in roles))
    return f"({_half('write', '@Request', ids)})\nAND\n({_half('delete', '@Resource', ids)})"


def _half(action: str, source: str, ids: str) -> str:
    types = ", ".join(f"'{kind}'" for kind in PRINCIPAL_TYPES)
    return (
        f"\n (\n  !(ActionMatches{{'{_ASSIGNMENTS}/{action}'}})\n )\n OR\n (\n"
        f"  {source}[{_ASSIGNMENTS}:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{ids}}}\n"
        f"  AND\n"
        f"  {source}[{_ASSIGNMENTS}:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {{{types}}}\n )\n"
    )
