use godwit_kernel::{DeviceId, SessionId};

use super::{App, Fields, SessionTokens, count, pause_until};
use crate::Error;
use crate::domain::{Device, Login, Password, RefreshToken, Session, User};
use crate::store::Account;

/// What a person typed, and on what.
pub struct LoginForm {
    /// E-mail address or username.
    pub login: String,
    /// The password.
    pub password: String,
    /// The installation's id.
    pub device_id: String,
    /// Its name.
    pub device_name: String,
    /// Its platform.
    pub device_platform: String,
}

impl App {
    /// Opens the session of one device, in place of its earlier one. An unknown login costs the same work as a wrong
    /// password and gets the same answer.
    #[tracing::instrument(name = "auth.login", skip_all)]
    pub async fn login(&self, form: LoginForm) -> Result<(SessionTokens, User), Error> {
        let result = self.try_login(form).await;
        count("godwit_auth_logins_total", &result);
        result
    }

    async fn try_login(&self, form: LoginForm) -> Result<(SessionTokens, User), Error> {
        let (login, password, device) = read(form)?;
        // Shed before the try is counted: who meets a full queue has not failed.
        let place = self.passwords.reserve()?;
        let now = self.clock.now();
        let throttle_key = login.throttle_key(self.keyring.pepper());
        let taken = self.store.take_login_try(&throttle_key, now).await?;
        taken.map_err(|until| Error::LoginThrottled(pause_until(until, now)))?;
        let credentials = self.store.credentials(&login, now).await?;
        let hash = credentials.as_ref().map(|found| found.password_hash.clone());
        let is_right = self.passwords.verify(place, password, hash).await?;
        let Some(credentials) = credentials.filter(|_| is_right) else { return Err(Error::BadCredentials) };
        self.store.forget_login_failures(&throttle_key).await?;
        match credentials.account {
            Account::Unverified => Err(Error::EmailNotVerified),
            Account::Verified(user) => Ok((self.open_session(&user, device).await?, user)),
        }
    }

    async fn open_session(&self, user: &User, device: Device) -> Result<SessionTokens, Error> {
        let now = self.clock.now();
        let id = SessionId::generate(&*self.clock, &*self.entropy);
        let refresh_token = RefreshToken::first(id, &*self.entropy);
        let session = Session {
            id,
            user_id: user.id,
            device,
            refresh_generation: refresh_token.generation(),
            refresh_hash: refresh_token.hash(),
            refreshed_at: now,
            expires_at: now + self.lifetimes.session,
            created_at: now,
        };
        // Made first: a session whose tokens cannot be made must not replace one that works.
        let tokens = self.session_tokens(&session, &refresh_token, now)?;
        let replaced = self.store.open_session(&session, self.revocation_end(now)).await?;
        if let Some(revocation) = replaced {
            self.announce(revocation, "replaced").await;
        }
        Ok(tokens)
    }
}

fn read(form: LoginForm) -> Result<(Login, Password, Device), Error> {
    let mut fields = Fields::default();
    let login = fields.read("login", Login::parse(&form.login));
    let password = fields.read("password", Password::attempt(form.password));
    let id = fields.read("device.id", form.device_id.parse::<DeviceId>().map_err(|_| "must be a UUID"));
    let name = fields.read("device.name", Device::parse_name(&form.device_name));
    let platform = fields.read("device.platform", Device::parse_platform(&form.device_platform));
    match (login, password, id, name, platform) {
        (Some(login), Some(password), Some(id), Some(name), Some(platform)) => {
            Ok((login, password, Device { id, name, platform }))
        }
        _ => Err(fields.refuse()),
    }
}
