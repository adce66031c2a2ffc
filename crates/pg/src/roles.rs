use std::time::Duration;

use diesel::result::{DatabaseErrorKind, Error as DieselError};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use tokio_postgres::error::SqlState;

use crate::connect::Connector;
use crate::{Error, Schema};

/// Roles belong to the whole cluster while the migration lock covers one database only, so two databases that are
/// set up at the same time can meet at a role. PostgreSQL then refuses one of the two, who tries again.
const ROLE_ATTEMPTS: u32 = 10;
const ROLE_RETRY_PAUSE: Duration = Duration::from_millis(50);

/// Makes the schema and its login role, gives the role that schema and nothing else, and returns the role's first
/// connection.
pub(crate) async fn prepare(
    admin: &mut AsyncPgConnection,
    database: &str,
    schema: &Schema,
    role: &Connector,
    role_password: &str,
) -> Result<AsyncPgConnection, Error> {
    if !role_exists(admin, &schema.role()).await? {
        let create = format!("CREATE ROLE {} LOGIN PASSWORD '{}'", quote(&schema.role()), verifier(role_password));
        change_role(admin, &create).await?;
    }
    grant(admin, database, schema).await?;
    match role.connect().await {
        Err(error) if is_wrong_password(&error) => {
            let alter = format!("ALTER ROLE {} LOGIN PASSWORD '{}'", quote(&schema.role()), verifier(role_password));
            change_role(admin, &alter).await?;
            role.connect().await
        }
        result => result,
    }
}

/// What the role may do, stated anew at every migration: it owns its schema, and PUBLIC (hence every other role) has
/// nothing in this database. The search path is set for this database only.
async fn grant(admin: &mut AsyncPgConnection, database: &str, schema: &Schema) -> Result<(), Error> {
    let (role, name, database) = (quote(&schema.role()), quote(schema.name), quote(database));
    // Only a member of a role may make a schema that belongs to it; a superuser needs no membership.
    let statements = format!(
        "DO $$ BEGIN
           IF NOT pg_has_role(current_user, '{plain_role}', 'USAGE') THEN GRANT {role} TO CURRENT_USER; END IF;
         END $$;
         REVOKE ALL ON DATABASE {database} FROM PUBLIC;
         REVOKE ALL ON SCHEMA public FROM PUBLIC;
         GRANT CONNECT ON DATABASE {database} TO {role};
         CREATE SCHEMA IF NOT EXISTS {name} AUTHORIZATION {role};
         ALTER SCHEMA {name} OWNER TO {role};
         REVOKE ALL ON SCHEMA {name} FROM PUBLIC;
         ALTER ROLE {role} IN DATABASE {database} SET search_path = {name}",
        plain_role = schema.role(),
    );
    admin.batch_execute(&statements).await?;
    for extension in schema.extensions {
        let create = format!("CREATE EXTENSION IF NOT EXISTS {} WITH SCHEMA {name}", quote(extension));
        admin.batch_execute(&create).await?;
    }
    Ok(())
}

async fn role_exists(admin: &mut AsyncPgConnection, role: &str) -> Result<bool, Error> {
    let count = diesel::sql_query("SELECT 1 FROM pg_roles WHERE rolname = $1")
        .bind::<diesel::sql_types::Text, _>(role)
        .execute(admin)
        .await?;
    Ok(count > 0)
}

async fn change_role(admin: &mut AsyncPgConnection, statement: &str) -> Result<(), Error> {
    let mut attempt = 1;
    loop {
        match admin.batch_execute(statement).await {
            Ok(()) => return Ok(()),
            Err(error) if already_exists(&error) => return Ok(()),
            Err(error) if attempt < ROLE_ATTEMPTS && is_concurrent_change(&error) => {
                attempt += 1;
                tokio::time::sleep(ROLE_RETRY_PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Two `CREATE ROLE` of the same name at once: the later one breaks the unique index of `pg_authid`, or finds the role.
fn already_exists(error: &DieselError) -> bool {
    match error {
        DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => true,
        DieselError::DatabaseError(DatabaseErrorKind::Unknown, information) => {
            information.message().starts_with("role ") && information.message().ends_with("already exists")
        }
        _ => false,
    }
}

/// Two `ALTER ROLE` of the same role at once.
fn is_concurrent_change(error: &DieselError) -> bool {
    matches!(error, DieselError::DatabaseError(_, information)
        if information.message().starts_with("tuple concurrently"))
}

fn is_wrong_password(error: &Error) -> bool {
    let Error::Connect(source) = error else { return false };
    let code = source.downcast_ref::<tokio_postgres::Error>().and_then(tokio_postgres::Error::code);
    code.is_some_and(|code| {
        *code == SqlState::INVALID_PASSWORD || *code == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
    })
}

/// What the server stores: the password itself never travels in a statement, which might be logged.
fn verifier(password: &str) -> String {
    postgres_protocol::password::scram_sha_256(password.as_bytes())
}

fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
