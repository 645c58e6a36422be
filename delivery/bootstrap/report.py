"""What bootstrap tells people: the plan, and what comes next, line by line to copy."""

import re
from collections.abc import Mapping, Sequence

from delivery.bootstrap.engine import Step
from delivery.bootstrap.wanted import Wanted

_VERBS = {
    "create": "create",
    "update": "change in place",
    "replace": "replace",
    "delete": "delete",
    "create-replacement": "replace",
    "delete-replaced": "replace",
}


def plan(wanted: Wanted, steps: Sequence[Step]) -> list[str]:
    """What would happen, a line per resource, and for whom."""
    lines = [f"  {_VERBS.get(step.operation, step.operation):<16}{step.kind:<46}{_shown(step)}" for step in steps]
    who = f"{wanted.operators.principal_type} {wanted.operators.principal_id}"
    reach = f"only {', '.join(wanted.allowed_ip_ranges)}" if wanted.allowed_ip_ranges else "every address, with a grant"
    return [
        *dict.fromkeys(lines),
        f"  in subscription {wanted.subscription_id}, {wanted.location}, resource group {wanted.group}",
        f"  state and key may be used by both identities and {who}; they are reached from {reach}",
        *(f"  {purpose}: {credential.subject}" for purpose, found in (("plans", wanted.plan), ("deploys", wanted.deploy)) for credential in found),
    ]


def next_lines(wanted: Wanted, outputs: Mapping[str, str]) -> list[str]:
    """The exact lines for the pipeline and for the stack."""
    return [*_github(wanted, outputs), *_azure_pipelines(wanted, outputs), *_group(wanted, outputs), *_stack(wanted)]


def _shown(step: Step) -> str:
    return f"{step.name}: {', '.join(step.changes)}" if step.changes and step.operation != "create" else step.name


def _github(wanted: Wanted, outputs: Mapping[str, str]) -> list[str]:
    if not any(credential.name.startswith("github") for credential in wanted.deploy):
        return []
    name = re.sub(r"[^A-Z0-9]", "_", wanted.stack.upper())
    return [
        f"GitHub Actions. Environments: {wanted.stack} (deploys; let it ask for a review) and {wanted.stack}-plan.",
        "Variables of the repository, none of them a secret:",
        f"  gh variable set AZURE_TENANT_ID_{name} --body {wanted.tenant_id}",
        f"  gh variable set AZURE_SUBSCRIPTION_ID_{name} --body {wanted.subscription_id}",
        f"  gh variable set AZURE_PLAN_CLIENT_ID_{name} --body {outputs['planClientId']}",
        f"  gh variable set AZURE_DEPLOY_CLIENT_ID_{name} --body {outputs['deployClientId']}",
        f"The job that deploys (one that plans has AZURE_PLAN_CLIENT_ID_{name}, and no environment on a pull request or {wanted.stack}-plan elsewhere):",
        "    permissions: {id-token: write, contents: read}",
        f"    environment: {wanted.stack}",
        "    env:",
        f"      PULUMI_BACKEND_URL: {wanted.backend_url}",
        '      ARM_USE_OIDC: "true"',
        f"      ARM_CLIENT_ID: ${{{{ vars.AZURE_DEPLOY_CLIENT_ID_{name} }}}}",
        f"      ARM_TENANT_ID: ${{{{ vars.AZURE_TENANT_ID_{name} }}}}",
        f"      ARM_SUBSCRIPTION_ID: ${{{{ vars.AZURE_SUBSCRIPTION_ID_{name} }}}}",
        "      AAD_LOGIN_METHOD: azurecli",
        "    steps:",
        "      - uses: azure/login@v2",
        "        with:",
        "          client-id: ${{ env.ARM_CLIENT_ID }}",
        "          tenant-id: ${{ env.ARM_TENANT_ID }}",
        "          subscription-id: ${{ env.ARM_SUBSCRIPTION_ID }}",
        "",
    ]


def _azure_pipelines(wanted: Wanted, outputs: Mapping[str, str]) -> list[str]:
    if not any(credential.name == "azure-pipelines" for credential in wanted.deploy):
        return []
    return [
        "Azure Pipelines. Finish the drafts of the two service connections with:",
        f"  plan:   client id {outputs['planClientId']}, tenant {wanted.tenant_id}, subscription {wanted.subscription_id}",
        f"  deploy: client id {outputs['deployClientId']}, tenant {wanted.tenant_id}, subscription {wanted.subscription_id}",
        "  and in the job:",
        "    - task: AzureCLI@2",
        "      inputs: {azureSubscription: <service connection>, scriptType: bash, scriptLocation: inlineScript, addSpnToEnvironment: true, inlineScript: ...}",
        "      env:",
        f"        PULUMI_BACKEND_URL: {wanted.backend_url}",
        '        ARM_USE_OIDC: "true"',
        f"        ARM_TENANT_ID: {wanted.tenant_id}",
        f"        ARM_SUBSCRIPTION_ID: {wanted.subscription_id}",
        "        AAD_LOGIN_METHOD: azurecli",
        '  the script begins with: export ARM_CLIENT_ID="$servicePrincipalId" ARM_OIDC_TOKEN="$idToken"',
        "",
    ]


def _group(wanted: Wanted, outputs: Mapping[str, str]) -> list[str]:
    if wanted.operators.principal_type != "Group":
        return []
    return [
        "The identity that deploys joins the group of everybody who deploys (once; needs a right in Entra, which bootstrap does not ask for):",
        f"  az ad group member add --group {wanted.operators.principal_id} --member-id {outputs['deployPrincipalId']}",
        "",
    ]


def _stack(wanted: Wanted) -> list[str]:
    return [
        f"The stack {wanted.stack}, in this checkout:",
        f"  pulumi login '{wanted.backend_url}'",
        f"  pulumi stack init {wanted.stack} --secrets-provider '{wanted.secrets_provider}'",
        f"  converge doctor {wanted.stack}",
    ]
