use godwit_kernel::{DeviceId, UserId};
use time::OffsetDateTime;

use super::tokens::SessionDraft;
use super::{App, Fields, SessionTokens, count, throttled};
use crate::Error;
use crate::domain::{Challenge, ClientAddress, Device, Login, LoginOutcome, OpaqueToken, Password, User};
use crate::store::{Account, LoginResult, RightPassword, WrongPassword};

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
    /// Where the request came from.
    pub address: Option<ClientAddress>,
}

/// What a right password gets.
pub enum LoginAnswer {
    /// The session is open.
    Session(SessionTokens, User),
    /// A second factor is asked for.
    Challenge {
        /// For the second step.
        token: OpaqueToken,
        /// When it ends.
        expires_at: OffsetDateTime,
    },
}

/// A password on its way to being right or wrong.
struct Attempt {
    device: Device,
    throttle_key: [u8; 32],
    address_key: Option<[u8; 32]>,
    address: Option<ClientAddress>,
}

impl App {
    /// Opens the session of one device, in place of its earlier one, or asks for the second factor. An unknown login
    /// costs the same work as a wrong password and gets the same answer.
    #[tracing::instrument(name = "auth.login", skip_all)]
    pub async fn login(&self, form: LoginForm) -> Result<LoginAnswer, Error> {
        let result = self.try_login(form).await;
        match &result {
            Ok(LoginAnswer::Challenge { .. }) => {
                metrics::counter!("godwit_auth_logins_total", "outcome" => "challenged").increment(1);
            }
            result => count("godwit_auth_logins_total", result),
        }
        result
    }

    async fn try_login(&self, form: LoginForm) -> Result<LoginAnswer, Error> {
        let address = form.address;
        let (login, password, device) = read(form)?;
        // Shed before the try is counted: who meets a full queue has not failed.
        let place = self.passwords.reserve()?;
        let pepper = self.keyring.pepper();
        let address_key = address.map(|address| address.throttle_key(pepper));
        let attempt = Attempt { device, throttle_key: login.throttle_key(pepper), address_key, address };
        let now = self.clock.now();
        let taken = self.store.take_try(&attempt.throttle_key, attempt.address_key.as_ref(), now).await?;
        taken.map_err(|refusal| throttled(refusal, now, Error::LoginThrottled))?;
        let credentials = self.store.credentials(&login, now).await?;
        let hash = credentials.as_ref().map(|found| found.password_hash.clone());
        let is_right = self.passwords.verify(place, password, hash).await?;
        match credentials {
            Some(found) if is_right => match found.account {
                Account::Verified(user_id) => self.enter(user_id, &found.password_hash, attempt).await,
                Account::Unverified => {
                    self.store.forget_failures(&attempt.throttle_key).await?;
                    Err(Error::EmailNotVerified)
                }
            },
            wrong => {
                let account = wrong.map(|found| found.account);
                self.record_wrong(account, &attempt).await?;
                Err(Error::BadCredentials)
            }
        }
    }

    async fn enter(&self, user_id: UserId, password_hash: &str, attempt: Attempt) -> Result<LoginAnswer, Error> {
        let occasion = self.occasion(attempt.address);
        let token = OpaqueToken::generate(&*self.entropy);
        let expires_at = occasion.now + Challenge::LIFE;
        let challenge = Challenge {
            token_hash: token.challenge_hash(self.keyring.pepper()),
            user_id,
            device: attempt.device.clone(),
            expires_at,
        };
        let SessionDraft { session, tokens, record } = self.draft_session(user_id, attempt.device, &occasion)?;
        let login = RightPassword {
            password_hash,
            session: &session,
            challenge: &challenge,
            record: &record,
            throttle_key: &attempt.throttle_key,
        };
        match self.store.log_in(&login, &occasion).await? {
            LoginResult::LoggedIn(logged_in) => {
                self.mail_queued.notify_one();
                self.announce(logged_in.ended).await;
                Ok(LoginAnswer::Session(tokens, logged_in.user))
            }
            LoginResult::Challenged => Ok(LoginAnswer::Challenge { token, expires_at }),
            LoginResult::Stale => Err(Error::BadCredentials),
        }
    }

    async fn record_wrong(&self, account: Option<Account>, attempt: &Attempt) -> Result<(), Error> {
        let occasion = self.occasion(attempt.address);
        let record = match account {
            Some(Account::Verified(user_id)) => {
                Some(self.login_record(user_id, LoginOutcome::WrongPassword, &attempt.device, &occasion))
            }
            Some(Account::Unverified) | None => None,
        };
        let wrong = WrongPassword {
            record: record.as_ref(),
            throttle_key: &attempt.throttle_key,
            address_key: attempt.address_key.as_ref(),
        };
        Ok(self.store.record_wrong_password(&wrong, &occasion).await?)
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
