use time::Duration;

use super::{App, Fields, ask_refused, count};
use crate::Error;
use crate::domain::{DisplayName, Email, Names, Password, Registration, Username};
use crate::store::RegisterOutcome;

/// How long a registration waits for its code and holds its username.
const REGISTRATION_LIFE: Duration = Duration::hours(24);

/// What a person typed.
pub struct RegisterForm {
    /// Their address.
    pub email: String,
    /// The name they want.
    pub username: String,
    /// The password they want.
    pub password: String,
    /// How others are to see them.
    pub display_name: String,
}

impl App {
    /// Keeps a registration and sends its code. An address that has an account gets another mail instead, after the
    /// same work and with the same answer: how long the code is valid, in seconds.
    #[tracing::instrument(name = "auth.register", skip_all)]
    pub async fn register(&self, form: RegisterForm) -> Result<u32, Error> {
        let result = self.try_register(form).await;
        count("godwit_auth_registrations_total", &result);
        result
    }

    async fn try_register(&self, form: RegisterForm) -> Result<u32, Error> {
        let mut fields = Fields::default();
        let email = fields.read("email", Email::parse(&form.email));
        let username = fields.read("username", Username::parse(&form.username));
        let password = fields.read("password", Password::parse(form.password));
        let display_name = fields.read("display_name", DisplayName::parse(&form.display_name));
        let (Some(email), Some(username), Some(password), Some(display_name)) =
            (email, username, password, display_name)
        else {
            return Err(fields.refuse());
        };
        if username.is_reserved() {
            return Err(Error::UsernameReserved);
        }
        let weak = |problem| Error::WeakPassword { field: "password", problem };
        password.refuse_common().map_err(weak)?;
        let names = Names { username: &username, display_name: &display_name, email: &email };
        password.refuse_names(&names).map_err(weak)?;
        let place = self.passwords.reserve()?;
        let password_hash = self.passwords.hash(place, password).await?;
        let now = self.clock.now();
        let expires_at = now + REGISTRATION_LIFE;
        let registration = Registration { email, username, display_name, password_hash, expires_at };
        match self.store.register(&registration, now).await? {
            RegisterOutcome::Accepted => {
                self.mail_queued.notify_one();
                Ok(self.code_expires_in_secs())
            }
            RegisterOutcome::UsernameTaken => Err(Error::UsernameTaken),
            RegisterOutcome::Refused(refusal) => Err(ask_refused(refusal, now)),
        }
    }
}
