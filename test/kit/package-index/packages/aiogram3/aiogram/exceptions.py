"""Error classes, with the real ones' names and texts."""


class AiogramError(Exception):
    pass


class TelegramNetworkError(AiogramError):
    def __init__(self, method, message):
        super().__init__(f"HTTP Client says - {message}")
        self.method = method


class TelegramAPIError(AiogramError):
    def __init__(self, method, message):
        super().__init__(f"Telegram server says - {message}")
        self.method = method
        self.message = message


class TelegramBadRequest(TelegramAPIError):
    pass


class TelegramNotFound(TelegramAPIError):
    pass


class TelegramConflictError(TelegramAPIError):
    pass


class TelegramUnauthorizedError(TelegramAPIError):
    pass


class TelegramForbiddenError(TelegramAPIError):
    pass


class TelegramServerError(TelegramAPIError):
    pass


class TelegramRetryAfter(TelegramAPIError):
    def __init__(self, method, message, retry_after):
        super().__init__(method, message)
        self.retry_after = retry_after


BY_CODE = {
    400: TelegramBadRequest,
    401: TelegramUnauthorizedError,
    403: TelegramForbiddenError,
    404: TelegramNotFound,
    409: TelegramConflictError,
}


def error_for(method, answer):
    code, description = answer.get("error_code"), answer.get("description", "")
    if code == 429:
        return TelegramRetryAfter(method, description, answer.get("parameters", {}).get("retry_after", 1))
    if code is not None and code >= 500:
        return TelegramServerError(method, description)
    return BY_CODE.get(code, TelegramAPIError)(method, description)
