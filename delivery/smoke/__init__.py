"""`converge smoke`: does what was deployed answer as its model must?"""
