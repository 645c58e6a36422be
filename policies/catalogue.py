"""All rules, in one list."""

from policies.rule import Rule
from policies.rules import access, cluster, images, network, node_pools, operations, reached, registry, safeguards, storage, workloads

_TOPICS = (cluster, node_pools, safeguards, workloads, reached, network, storage, registry, images, access, operations)
RULES: tuple[Rule, ...] = tuple(rule for topic in _TOPICS for rule in vars(topic).values() if isinstance(rule, Rule))
"""In the order of their topics."""
