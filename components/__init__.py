"""What gets provisioned: one component and its arguments per module, none of which knows which stack it is in."""
