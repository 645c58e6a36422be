"""The programs that the sandbox is made of: found on the machine or built from source, kept outside the checkout."""
