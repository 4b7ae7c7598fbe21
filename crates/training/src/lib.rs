//! Training of networks: losses, optimisers, schedules, regularisers, the loop and its checkpoints.
