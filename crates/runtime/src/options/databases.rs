use std::collections::BTreeMap;

use clap::{Arg, ArgMatches, Command};
use godwit_pg::Schema;

use super::OptionGroup;
use crate::Secret;

/// Schemas that live in another database than GODWIT_DATABASE_URL says, or under another login.
#[derive(Clone, Debug, Default)]
pub struct DatabaseUrls {
    by_schema: BTreeMap<&'static str, Secret>,
}

impl DatabaseUrls {
    /// One option a schema: `GODWIT_<SCHEMA>_DATABASE_URL`.
    #[must_use]
    pub fn group(schemas: &[&'static Schema]) -> OptionGroup {
        let arguments = schemas.iter().map(|schema| {
            let variable = variable(schema.name);
            Arg::new(flag(schema.name)).long(flag(schema.name)).env(variable.clone()).value_name(variable).help(
                format!(
                    "Complete URL, with user and password, of the database that holds the schema `{}`. Default: \
                 GODWIT_DATABASE_URL with the role `{}`",
                    schema.name,
                    schema.role()
                ),
            )
        });
        OptionGroup::from_command("Databases of single schemas", Command::new("databases").args(arguments))
    }

    /// What the group of the same schemas read.
    #[must_use]
    pub fn from_matches(schemas: &[&'static Schema], matches: &ArgMatches) -> Self {
        let url = |schema: &&'static Schema| {
            matches.get_one::<String>(&flag(schema.name)).map(|url| (schema.name, Secret::from(url.clone())))
        };
        Self { by_schema: schemas.iter().filter_map(url).collect() }
    }

    /// The URL of `schema`, if it has one of its own.
    #[must_use]
    pub fn get(&self, schema: &Schema) -> Option<&Secret> {
        self.by_schema.get(schema.name)
    }
}

/// The variable that overrides the URL of a schema.
pub(crate) fn variable(schema: &str) -> String {
    format!("GODWIT_{}_DATABASE_URL", schema.to_ascii_uppercase())
}

fn flag(schema: &str) -> String {
    format!("{}-database-url", schema.replace('_', "-"))
}
