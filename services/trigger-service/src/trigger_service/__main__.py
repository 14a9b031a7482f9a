"""`python -m trigger_service` runs the service; with `migrate` it brings its schema up to date."""

from heardback.service import main
from trigger_service.app import service
from trigger_service.settings import Settings

if __name__ == "__main__":
    main(service(Settings()))
