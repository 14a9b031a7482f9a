"""Run trigger-service, or with the argument `migrate` bring its schema up to date."""

from heardback.command import main
from trigger_service.settings import Settings

if __name__ == "__main__":
    main("trigger", Settings)
