"""Run insights: `python -m insights_service`; `python -m insights_service migrate` first."""

from heardback.service import main
from insights_service.app import service
from insights_service.settings import Settings

main(service(Settings()))
