//! Who is online where.
