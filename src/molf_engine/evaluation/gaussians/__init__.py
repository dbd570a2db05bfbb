"""Eight Gaussians (paper, section 4.1): is a many-peaked target easier for a mixture of experts than for one network.

`problem` is the distribution with its known answers, `models` the networks that are compared, `scores` how they are judged,
`study` trains and judges them, `report` and `figures` show what came out.
"""
