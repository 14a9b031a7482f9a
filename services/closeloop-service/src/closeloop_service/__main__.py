"""Run closeloop-service, or with `migrate` bring its schema up to date."""

from closeloop_service.app import service
from closeloop_service.settings import Settings
from heardback.service import main

if __name__ == "__main__":
    main(service(Settings()))
