use godwit_kernel::UserId;
use godwit_rpc::InvalidField;

use super::super::App;
use crate::Error;
use crate::domain::Username;

/// Usernames that one call may ask about.
const USERNAMES_MAX: usize = 100;

impl App {
    /// Whose these usernames are, in any case of letters, each as it was asked for. What cannot be a name, and what is
    /// that of nobody or of a deleted account, is absent. One statement, whatever their number.
    ///
    /// # Errors
    /// When there are more than 100, and the database's.
    #[tracing::instrument(name = "auth.resolve_usernames", skip_all)]
    pub async fn resolve_usernames(&self, asked: Vec<String>) -> Result<Vec<(String, UserId)>, Error> {
        if asked.len() > USERNAMES_MAX {
            return Err(InvalidField::new("usernames", "must be at most 100").into());
        }
        let names: Vec<(String, Username)> =
            asked.into_iter().filter_map(|asked| Username::parse(&asked).ok().map(|name| (asked, name))).collect();
        let folded: Vec<Username> = names.iter().map(|(_, name)| name.clone()).collect();
        let found = self.store.ids_by_username(&folded).await?;
        Ok(names.into_iter().filter_map(|(asked, name)| found.get(&name).map(|id| (asked, *id))).collect())
    }
}
