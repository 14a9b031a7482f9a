"""Run response-service, or with the argument `migrate` bring its schema up to date."""

from heardback.command import main
from response_service.settings import Settings

if __name__ == "__main__":
    main("response", Settings)
