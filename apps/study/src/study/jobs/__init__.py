"""One job: its agent, envs and demonstrations, training, evaluation; the agents that come out."""
