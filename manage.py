#!/usr/bin/env python3
"""Django's command line for ReaderAI classroom. `manage.py serve` runs it, `manage.py demo` fills it."""

import os
import sys


def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "readerai_site.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
