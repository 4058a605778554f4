"""Two assistants for a demo tenant."""

from __future__ import annotations

from assistants.profiles.models import Assistant

ASSISTANTS = {
    "fr": [
        (
            "Assistant documents",
            "Répond à partir de vos documents et cite la page.",
            "Tu réponds en français, brièvement, à partir des passages fournis, et tu cites chaque source.",
            [
                "Combien de jours de congés payés par an prévoit l’accord ?",
                "Quelle est l’indemnité de télétravail par mois ?",
                "How many days of notice does the framework contract require?",
            ],
        ),
        (
            "Assistant courriels",
            "Rédige des courriels courts et clairs.",
            "Tu rédiges des courriels professionnels, courts, sans nommer de personne si ce n’est pas nécessaire.",
            ["Prépare une réponse au fournisseur pour confirmer la livraison"],
        ),
    ],
    "en": [
        (
            "Contracts assistant",
            "Answers from your documents and cites the page.",
            "Answer briefly, from the passages given, and cite each source.",
            [
                "What is the speed limit for forklifts in the warehouse?",
                "How long before the vessel berths are import declarations lodged?",
                "Quel est le préavis pour résilier le contrat de transport ?",
            ],
        ),
        (
            "Mail assistant",
            "Writes short, clear mails.",
            "Write short, professional mails; name nobody without need.",
            ["Draft a reply to the supplier that confirms the delivery"],
        ),
    ],
}


def seed_assistants(*, language: str) -> None:
    """Create those that are not there yet, by name."""
    for position, (name, description, instructions, starters) in enumerate(ASSISTANTS.get(language, ASSISTANTS["en"])):
        Assistant.objects.get_or_create(
            name=name,
            defaults={
                "description": description,
                "instructions": instructions,
                "starters": starters,
                "position": position,
            },
        )
