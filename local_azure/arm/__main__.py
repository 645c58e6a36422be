"""The plugin's process."""

import sys

from local_azure.arm.install import plugin_version
from local_azure.arm.provider import ArmProvider
from local_azure.plugin import serve

if __name__ == "__main__":
    sys.exit(serve(lambda sandbox: ArmProvider(sandbox, plugin_version())))
