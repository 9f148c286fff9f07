//! Files and kernel values of a tree: what changes, what is refused, what comes back.
