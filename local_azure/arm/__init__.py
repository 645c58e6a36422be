"""Azure Resource Manager on one machine: a Pulumi provider that keeps resources in a file and answers as ARM would.

It is installed under the name of the real plugin, `pulumi-resource-azure-native`, in the sandbox's own PULUMI_HOME and nowhere else.
"""
