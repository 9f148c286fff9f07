//! Secrets on real servers: PostgreSQL with SCRAM, PgBouncer with a userlist.

mod rotate;
mod stack;
