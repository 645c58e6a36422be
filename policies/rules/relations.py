"""Which resource belongs to which other one, also where a preview does not know names and ids yet."""

from collections.abc import Sequence

from policies.planned import UNKNOWN, Mark, PlannedResource


def unpaired(
    subjects: Sequence[PlannedResource], subject_key: str, others: Sequence[PlannedResource], other_key: str
) -> list[tuple[PlannedResource, Mark | None]]:
    """The subjects that no other resource names, each with UNKNOWN if one may still turn out to do so.

    Names that are not known yet are outputs of the subject itself. Where a component declares as many of the others as it has subjects, they are its pairs.
    """
    named = {other.at(other_key) for other in others if not isinstance(other.at(other_key), Mark)}
    left = [subject for subject in subjects if subject.at(subject_key) is None or subject.at(subject_key) not in named]
    open_ends = [other for other in others if isinstance(other.at(other_key), Mark)]
    # An output that is known by now, of a subject whose own name the engine has not filled in.
    open_ends += [other for other in others if other not in open_ends and other.at(other_key) not in {subject.at(subject_key) for subject in subjects}]
    missing: list[tuple[PlannedResource, Mark | None]] = []
    for subject in left:
        siblings = [one for one in left if one.parent == subject.parent]
        near = [other for other in open_ends if other.parent in (subject.parent, subject.urn)]
        if len(near) < len(siblings):
            missing.append((subject, UNKNOWN if len(open_ends) > len(near) else None))
    return missing
