"""Which resource belongs to which other one, also where a preview does not know names and ids yet."""

from collections import Counter
from collections.abc import Sequence

from policies.planned import UNKNOWN, Mark, PlannedResource


def unpaired(
    subjects: Sequence[PlannedResource], subject_key: str, others: Sequence[PlannedResource], other_key: str
) -> list[tuple[PlannedResource, Mark | None]]:
    """The subjects that no other resource names, each with UNKNOWN if one may still turn out to do so.

    A name that is not known yet is an output of the subject itself. Where one component declares as many of the others as it has subjects, they are pairs.
    """
    names = {subject.at(subject_key) for subject in subjects}
    named = {other.at(other_key) for other in others if not isinstance(other.at(other_key), Mark)}
    left = [subject for subject in subjects if subject.at(subject_key) not in named - {None}]
    # A name that is known and nobody's is one that Azure or the engine gave: the plan of its subject does not have it.
    open_ends = Counter(other.parent for other in others if isinstance(other.at(other_key), Mark) or other.at(other_key) not in names)
    in_need = Counter(subject.parent for subject in left)
    paired = {parent for parent, number in in_need.items() if open_ends[parent] >= number}
    spare = sum(open_ends.values()) - sum(in_need[parent] for parent in paired)
    return [(subject, UNKNOWN if spare else None) for subject in left if subject.parent not in paired]
