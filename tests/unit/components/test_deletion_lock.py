import pulumi

from components.deletion_lock import deletion_lock
from components.role_grants import Principal, Role, grant
from tests.unit.components.recording import LOCK, SUBSCRIPTION, record

_SCOPE = f"{SUBSCRIPTION}/resourceGroups/data/providers/Microsoft.Storage/storageAccounts/models"


def test_a_lock_comes_after_the_grants_that_it_keeps_and_goes_before_them():
    def program() -> None:
        parent = pulumi.ComponentResource("test:index:Part", "part", opts=pulumi.ResourceOptions(protect=True))
        reader = grant("part-reader", role=Role.STORAGE_BLOB_DATA_READER, scope=_SCOPE, principal=Principal(id="us"), parent=parent)
        deletion_lock("part-lock", scope=_SCOPE, notes="Holds models.", after=[reader], parent=parent)

    lock = record(program).only(LOCK)
    assert lock.inputs == {"scope": _SCOPE, "level": "CanNotDelete", "notes": "Holds models."}
    assert "part-reader" in lock.dependencies
    assert (lock.parent, lock.protected) == ("part", False)
