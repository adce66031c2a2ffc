use super::{App, Fields, count, pause_until};
use crate::Error;
use crate::domain::{AskRefusal, Email, RESET_TOKEN_LIFE};

impl App {
    /// Mails a token that sets a new password, if the address has an account. The answer, the limits and the work are
    /// the same for every address: how long the token is valid, in seconds.
    #[tracing::instrument(name = "auth.forgot_password", skip_all)]
    pub async fn forgot_password(&self, email: &str) -> Result<u32, Error> {
        let result = self.try_forgot_password(email).await;
        count("godwit_auth_reset_requests_total", &result);
        result
    }

    async fn try_forgot_password(&self, email: &str) -> Result<u32, Error> {
        let mut fields = Fields::default();
        let Some(email) = fields.read("email", Email::parse(email)) else { return Err(fields.refuse()) };
        let now = self.clock.now();
        self.store.ask_reset(&email, now).await?.map_err(|refusal| match refusal {
            AskRefusal::Locked { until } | AskRefusal::TooSoon { until } => {
                Error::ResetTooSoon(pause_until(until, now))
            }
            AskRefusal::DailyLimit { until } => Error::ResetDailyLimit(pause_until(until, now)),
        })?;
        self.mail_queued.notify_one();
        Ok(u32::try_from(RESET_TOKEN_LIFE.whole_seconds()).unwrap_or(u32::MAX))
    }
}
