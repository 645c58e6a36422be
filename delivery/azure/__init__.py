"""What delivery asks Azure itself: who one is, what one may do, what exists. No Pulumi, no SDK per service: a handful of documented calls."""
