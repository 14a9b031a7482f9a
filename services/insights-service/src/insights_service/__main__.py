"""Run insights-service, or with the argument `migrate` bring its schema up to date."""

from heardback.command import main
from insights_service.settings import Settings

if __name__ == "__main__":
    main("insights", Settings)
