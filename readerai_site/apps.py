"""The administration as an app of this site, so that its pages are ours wherever Django names `admin.site`."""

from django.contrib.admin.apps import AdminConfig


class AdministrationConfig(AdminConfig):
    default_site = "readerai_site.admin_site.AdministrationSite"
