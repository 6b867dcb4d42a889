"""Static files as `collectstatic` leaves them for whitenoise: compressed, named by their content, cached for ever."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Also renames what native modules import from each other, so that a module and its imports change together."""

    support_js_module_import_aggregation = True
    keep_only_hashed_files = True
