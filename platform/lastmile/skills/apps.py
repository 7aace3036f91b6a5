from django.apps import AppConfig


class SkillsConfig(AppConfig):
    name = "lastmile.skills"
