"""Run closeloop-service, or with the argument `migrate` bring its schema up to date."""

from closeloop_service.settings import Settings
from heardback.command import main

if __name__ == "__main__":
    main("closeloop", Settings)
