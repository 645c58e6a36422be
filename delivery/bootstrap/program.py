"""The program: state backend -> secrets provider -> identity that plans -> identity that deploys -> operators. A stack of its own."""

import pulumi

from delivery.azure.roles import BuiltIn
from delivery.bootstrap import names
from delivery.bootstrap.delivery_identity import DeliveryIdentity, DeliveryIdentityArgs, Right
from delivery.bootstrap.grants import grant
from delivery.bootstrap.secrets_provider import SecretsProvider, SecretsProviderArgs
from delivery.bootstrap.state_backend import StateBackend, StateBackendArgs
from delivery.bootstrap.wanted import Wanted


def declare(wanted: Wanted) -> None:
    """Declares what must exist before a stack. It holds no secret, so its own state needs no key."""
    kept = pulumi.ResourceOptions(protect=True)
    backend = StateBackend("state", StateBackendArgs(wanted=wanted), kept)
    provider = SecretsProvider("secrets", SecretsProviderArgs(wanted=wanted, group_name=backend.group_name), kept)
    subscription = f"/subscriptions/{wanted.subscription_id}"
    place = {"group_name": backend.group_name, "location": wanted.location}

    reads = [
        Right(name="reader", role=BuiltIn.READER, scope=subscription),
        # A preview compares with the cluster: it needs the users' kubeconfig, and to read objects (secrets are not among them).
        Right(name="cluster-user", role=BuiltIn.AKS_CLUSTER_USER, scope=subscription),
        Right(name="cluster-reader", role=BuiltIn.AKS_RBAC_READER, scope=subscription),
        Right(name="state", role=BuiltIn.BLOB_DATA_READER, scope=backend.container_id),
        Right(name="key", role=BuiltIn.KEY_VAULT_CRYPTO_USER, scope=provider.key_id),
    ]
    plan_args = DeliveryIdentityArgs(identity_name=names.identity(wanted.stack, "plan"), credentials=wanted.plan, rights=reads, **place)
    plan = DeliveryIdentity("plan", plan_args)

    writes = [
        Right(name="contributor", role=BuiltIn.CONTRIBUTOR, scope=subscription),
        Right(name="role-administrator", role=BuiltIn.RBAC_ADMINISTRATOR, scope=subscription, limited=True),
        # Contributor may not lock what holds data.
        Right(name="locks", role=BuiltIn.LOCKS_CONTRIBUTOR, scope=subscription),
        Right(name="state", role=BuiltIn.BLOB_DATA_CONTRIBUTOR, scope=backend.container_id),
        Right(name="key", role=BuiltIn.KEY_VAULT_CRYPTO_USER, scope=provider.key_id),
    ]
    deploy_args = DeliveryIdentityArgs(identity_name=names.identity(wanted.stack, "deploy"), credentials=wanted.deploy, rights=writes, **place)
    deploy = DeliveryIdentity("deploy", deploy_args)

    operators = wanted.operators
    for name, role, scope, parent in (
        ("operators-state", BuiltIn.BLOB_DATA_CONTRIBUTOR, backend.container_id, backend),
        ("operators-key", BuiltIn.KEY_VAULT_CRYPTO_USER, provider.key_id, provider),
    ):
        grant(name, role=role, scope=scope, principal_id=operators.principal_id, principal_type=operators.principal_type, parent=parent)

    pulumi.export("planClientId", plan.client_id)
    pulumi.export("deployClientId", deploy.client_id)
    pulumi.export("deployPrincipalId", deploy.principal_id)
