"""Upper bounds on ``M(v)``: closed form, branch and bound, semidefinite, rational."""
