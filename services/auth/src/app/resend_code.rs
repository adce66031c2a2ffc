use super::{App, Fields, ask_refused, count};
use crate::Error;
use crate::domain::Email;

impl App {
    /// Sends another code, if anything waits for one. The answer and the limits are the same for every address: how
    /// long the code is valid, in seconds.
    #[tracing::instrument(name = "auth.resend_code", skip_all)]
    pub async fn resend_code(&self, email: &str) -> Result<u32, Error> {
        let result = self.try_resend_code(email).await;
        count("godwit_auth_code_requests_total", &result);
        result
    }

    async fn try_resend_code(&self, email: &str) -> Result<u32, Error> {
        let mut fields = Fields::default();
        let Some(email) = fields.read("email", Email::parse(email)) else { return Err(fields.refuse()) };
        let now = self.clock.now();
        self.store.ask_code(&email, now).await?.map_err(|refusal| ask_refused(refusal, now))?;
        self.mail_queued.notify_one();
        Ok(self.code_expires_in_secs())
    }
}
