"""A job's one clock: how far it is and when it is expected to end, over all of its steps.

``job.progress`` is the percentage that people see, which never falls; ``job.work_done`` is the work
that it stands for, in the steps' weights. When work is lost (an attempt failed, a person retries)
or added (a step plans more steps), ``work_done`` alone changes, and what is left of the percentage
is spread over what is left of the work. Every change is made under the job's lock.
"""
