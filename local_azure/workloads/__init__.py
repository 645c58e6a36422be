"""The kubernetes and docker-build plugins without a cluster and without a builder, so that a plan needs nothing that runs.

They check nothing and keep nothing: inputs come back as outputs, ids are as the real plugins make them, and what cannot be changed in place is what
the real plugins say. They lie only in the PULUMI_HOME of a plan's own sandbox; `converge local up` uses the real ones.
"""
