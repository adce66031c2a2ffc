use godwit_kernel::UserId;

use super::super::{App, Fields, count};
use crate::Error;
use crate::domain::access::Refusal;
use crate::domain::{Bio, DisplayName, User, Username};
use crate::events::people::Teller;
use crate::store::{ProfileChanges, ProfileOutcome};

/// What a person typed; what is absent stays as it is.
#[derive(Clone, Debug, Default)]
pub struct ProfileForm {
    /// What others read.
    pub display_name: Option<String>,
    /// What they say of themselves.
    pub bio: Option<String>,
    /// The name they want.
    pub username: Option<String>,
}

impl App {
    /// Changes the caller's profile.
    #[tracing::instrument(name = "auth.update_me", skip_all)]
    pub async fn update_me(&self, id: UserId, form: ProfileForm) -> Result<User, Error> {
        let result = self.try_update_me(id, form).await;
        count("godwit_auth_profile_changes_total", &result);
        result
    }

    async fn try_update_me(&self, id: UserId, form: ProfileForm) -> Result<User, Error> {
        let changes = read(form)?;
        if changes.username.as_ref().is_some_and(Username::is_reserved) {
            return Err(Error::UsernameReserved);
        }
        let now = self.clock.now();
        let teller = Teller { at: now, clock: &*self.clock, entropy: &*self.entropy };
        match self.store.change_profile(id, &changes, now, |user| teller.profile_changed(user)).await? {
            ProfileOutcome::Changed(user) => Ok(user),
            ProfileOutcome::UsernameTaken => Err(Error::UsernameTaken),
            ProfileOutcome::NotFound => Err(Refusal::UserNotFound.into()),
        }
    }
}

fn read(form: ProfileForm) -> Result<ProfileChanges, Error> {
    let ProfileForm { display_name, bio, username } = form;
    let mut fields = Fields::default();
    let display_name = fields.read("display_name", display_name.as_deref().map(DisplayName::parse).transpose());
    let bio = fields.read("bio", bio.as_deref().map(Bio::parse).transpose());
    let username = fields.read("username", username.as_deref().map(Username::parse).transpose());
    match (display_name, bio, username) {
        (Some(display_name), Some(bio), Some(username)) => Ok(ProfileChanges { display_name, bio, username }),
        _ => Err(fields.refuse()),
    }
}
