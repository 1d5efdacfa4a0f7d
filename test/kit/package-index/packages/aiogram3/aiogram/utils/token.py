"""What a bot token looks like: digits, a colon, something after it."""


class TokenValidationError(Exception):
    pass


def validate_token(token):
    if not isinstance(token, str):
        raise TokenValidationError("Token is invalid! It must be 'str' type.")
    left, colon, right = token.partition(":")
    if any(char.isspace() for char in token) or not colon or not left.isdigit() or not right:
        raise TokenValidationError("Token is invalid!")
    return True


def extract_bot_id(token):
    validate_token(token)
    return int(token.partition(":")[0])
