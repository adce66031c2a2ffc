use godwit_contract::auth::v1 as pb;
use godwit_contract::auth::v1::auth_service_server::AuthService;
use godwit_contract::auth::v1::{
    ConfirmTwoFactorRequest, ConfirmTwoFactorResponse, DisableTwoFactorRequest, DisableTwoFactorResponse,
    ForgotPasswordRequest, ForgotPasswordResponse, ListKeysRequest, ListKeysResponse, ListLoginsRequest,
    ListLoginsResponse, ListSessionsRequest, ListSessionsResponse, LoginRequest, LoginResponse, LogoutAllRequest,
    LogoutAllResponse, LogoutRequest, LogoutResponse, RefreshRequest, RefreshResponse, RegisterRequest,
    RegisterResponse, ResendCodeRequest, ResendCodeResponse, ResetPasswordRequest, ResetPasswordResponse,
    RevokeSessionRequest, RevokeSessionResponse, SetupTwoFactorRequest, SetupTwoFactorResponse, TokenKey, Tokens,
    TwoFactorChallenge, VerifyEmailRequest, VerifyEmailResponse, VerifyTwoFactorRequest, VerifyTwoFactorResponse,
};
use godwit_kernel::SessionId;
use godwit_rpc::{Caller, parse_id, to_status};
use tonic::{Request, Response, Status, async_trait};

use super::{Server, address_of, encode_user};
use crate::Error;
use crate::app::{LoginAnswer, LoginForm, RegisterForm, SessionTokens, VerifyForm};
use crate::domain::{Device, LoginOutcome, LoginRecord, RecoveryCode, Session};

#[async_trait]
impl AuthService for Server {
    async fn register(&self, request: Request<RegisterRequest>) -> Result<Response<RegisterResponse>, Status> {
        let RegisterRequest { email, username, password, display_name } = request.into_inner();
        let form = RegisterForm { email, username, password, display_name };
        let code_expires_in_secs = self.0.register(form).await.map_err(to_status)?;
        Ok(Response::new(RegisterResponse { code_expires_in_secs }))
    }

    async fn verify_email(
        &self,
        request: Request<VerifyEmailRequest>,
    ) -> Result<Response<VerifyEmailResponse>, Status> {
        let VerifyEmailRequest { email, code } = request.into_inner();
        self.0.verify_email(&email, &code).await.map_err(to_status)?;
        Ok(Response::new(VerifyEmailResponse {}))
    }

    async fn resend_code(&self, request: Request<ResendCodeRequest>) -> Result<Response<ResendCodeResponse>, Status> {
        let code_expires_in_secs = self.0.resend_code(&request.into_inner().email).await.map_err(to_status)?;
        Ok(Response::new(ResendCodeResponse { code_expires_in_secs }))
    }

    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginResponse>, Status> {
        let address = address_of(&request);
        let LoginRequest { login, password, device } = request.into_inner();
        let device = device.unwrap_or_default();
        let form = LoginForm {
            login,
            password,
            device_id: device.id,
            device_name: device.name,
            device_platform: device.platform,
            address,
        };
        let answer = self.0.login(form).await.map_err(to_status)?;
        Ok(Response::new(encode_login(answer)))
    }

    async fn refresh(&self, request: Request<RefreshRequest>) -> Result<Response<RefreshResponse>, Status> {
        let address = address_of(&request);
        let tokens = self.0.refresh(&request.into_inner().refresh_token, address).await.map_err(to_status)?;
        Ok(Response::new(RefreshResponse { tokens: Some(encode_tokens(tokens)) }))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        self.0.logout(caller, address).await.map_err(to_status)?;
        Ok(Response::new(LogoutResponse {}))
    }

    async fn list_keys(&self, _: Request<ListKeysRequest>) -> Result<Response<ListKeysResponse>, Status> {
        let keys = self.0.keyring.public_keys(self.0.clock.now()).into_iter();
        let keys = keys.map(|key| TokenKey { id: key.id, paserk: key.paserk }).collect();
        Ok(Response::new(ListKeysResponse { keys }))
    }

    async fn logout_all(&self, request: Request<LogoutAllRequest>) -> Result<Response<LogoutAllResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        self.0.logout_all(caller, address).await.map_err(to_status)?;
        Ok(Response::new(LogoutAllResponse {}))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let sessions = self.0.list_sessions(caller.user_id).await.map_err(to_status)?;
        let sessions = sessions.into_iter().map(|session| encode_session(session, caller.session_id)).collect();
        Ok(Response::new(ListSessionsResponse { sessions }))
    }

    async fn revoke_session(
        &self,
        request: Request<RevokeSessionRequest>,
    ) -> Result<Response<RevokeSessionResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        let id = parse_id("session_id", &request.get_ref().session_id).map_err(to_status)?;
        self.0.revoke_session(caller, id, address).await.map_err(to_status)?;
        Ok(Response::new(RevokeSessionResponse {}))
    }

    async fn list_logins(&self, request: Request<ListLoginsRequest>) -> Result<Response<ListLoginsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let ListLoginsRequest { limit, cursor } = request.into_inner();
        let page = self.0.list_logins(caller.user_id, limit, &cursor).await.map_err(to_status)?;
        let logins = page.records.into_iter().map(encode_login_record).collect();
        Ok(Response::new(ListLoginsResponse { logins, next_cursor: page.next_cursor }))
    }

    async fn forgot_password(
        &self,
        request: Request<ForgotPasswordRequest>,
    ) -> Result<Response<ForgotPasswordResponse>, Status> {
        let token_expires_in_secs = self.0.forgot_password(&request.get_ref().email).await.map_err(to_status)?;
        Ok(Response::new(ForgotPasswordResponse { token_expires_in_secs }))
    }

    async fn reset_password(
        &self,
        request: Request<ResetPasswordRequest>,
    ) -> Result<Response<ResetPasswordResponse>, Status> {
        let address = address_of(&request);
        let ResetPasswordRequest { token, new_password } = request.into_inner();
        self.0.reset_password(&token, new_password, address).await.map_err(to_status)?;
        Ok(Response::new(ResetPasswordResponse {}))
    }

    async fn setup_two_factor(
        &self,
        request: Request<SetupTwoFactorRequest>,
    ) -> Result<Response<SetupTwoFactorResponse>, Status> {
        let caller = Caller::of(&request)?;
        let setup = self.0.setup_two_factor(caller.user_id).await.map_err(to_status)?;
        let qr_png = setup.qr_code.to_png().map_err(Error::from).map_err(to_status)?;
        Ok(Response::new(SetupTwoFactorResponse {
            secret: setup.secret,
            otpauth_uri: setup.otpauth_uri,
            qr_svg: setup.qr_code.to_svg(),
            qr_png: qr_png.into(),
        }))
    }

    async fn confirm_two_factor(
        &self,
        request: Request<ConfirmTwoFactorRequest>,
    ) -> Result<Response<ConfirmTwoFactorResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        let code = &request.get_ref().code;
        let codes = self.0.confirm_two_factor(caller.user_id, code, address).await.map_err(to_status)?;
        let recovery_codes = codes.iter().map(RecoveryCode::to_text).collect();
        Ok(Response::new(ConfirmTwoFactorResponse { recovery_codes }))
    }

    async fn verify_two_factor(
        &self,
        request: Request<VerifyTwoFactorRequest>,
    ) -> Result<Response<VerifyTwoFactorResponse>, Status> {
        let address = address_of(&request);
        let VerifyTwoFactorRequest { challenge_token, device_id, code } = request.into_inner();
        let form = VerifyForm { challenge_token, device_id, code, address };
        let (tokens, user) = self.0.verify_two_factor(form).await.map_err(to_status)?;
        let (tokens, user) = (Some(encode_tokens(tokens)), Some(encode_user(&user)));
        Ok(Response::new(VerifyTwoFactorResponse { tokens, user }))
    }

    async fn disable_two_factor(
        &self,
        request: Request<DisableTwoFactorRequest>,
    ) -> Result<Response<DisableTwoFactorResponse>, Status> {
        let (caller, address) = (Caller::of(&request)?, address_of(&request));
        let DisableTwoFactorRequest { password, code } = request.into_inner();
        self.0.disable_two_factor(caller.user_id, password, &code, address).await.map_err(to_status)?;
        Ok(Response::new(DisableTwoFactorResponse {}))
    }
}

fn encode_login(answer: LoginAnswer) -> LoginResponse {
    match answer {
        LoginAnswer::Session(tokens, user) => {
            LoginResponse { tokens: Some(encode_tokens(tokens)), user: Some(encode_user(&user)), challenge: None }
        }
        LoginAnswer::Challenge { token, expires_at } => {
            let expires_at = Some(godwit_rpc::timestamp(expires_at));
            let challenge = TwoFactorChallenge { token: token.to_text(), expires_at };
            LoginResponse { tokens: None, user: None, challenge: Some(challenge) }
        }
    }
}

fn encode_session(session: Session, current: SessionId) -> pb::Session {
    pb::Session {
        id: session.id.to_string(),
        is_current: session.id == current,
        device: Some(encode_device(session.device)),
        created_at: Some(godwit_rpc::timestamp(session.created_at)),
        last_used_at: Some(godwit_rpc::timestamp(session.refreshed_at)),
        last_address: session.last_address.unwrap_or_default(),
    }
}

fn encode_login_record(record: LoginRecord) -> pb::LoginRecord {
    let outcome = match record.outcome {
        LoginOutcome::Ok => pb::LoginOutcome::Ok,
        LoginOutcome::WrongPassword => pb::LoginOutcome::WrongPassword,
        LoginOutcome::Challenged => pb::LoginOutcome::Challenged,
        LoginOutcome::WrongCode => pb::LoginOutcome::WrongCode,
    };
    pb::LoginRecord {
        at: Some(godwit_rpc::timestamp(record.at)),
        outcome: outcome.into(),
        device: Some(encode_device(record.device)),
        address: record.address.unwrap_or_default(),
    }
}

fn encode_device(device: Device) -> pb::Device {
    pb::Device { id: device.id.to_string(), name: device.name, platform: device.platform }
}

fn encode_tokens(tokens: SessionTokens) -> Tokens {
    Tokens {
        access_token: tokens.access_token,
        access_token_expires_at: Some(godwit_rpc::timestamp(tokens.access_token_expires_at)),
        refresh_token: tokens.refresh_token,
        session_id: tokens.session_id.to_string(),
    }
}
