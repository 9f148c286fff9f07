//! Secrets on real servers: PostgreSQL with SCRAM, PgBouncer with a userlist.

mod canary;
mod crash;
mod keys;
mod load;
mod readers;
mod rotate;
mod stack;
mod status;
mod wrong;
