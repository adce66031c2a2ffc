pub(super) use godwit_pg::Prepared;
