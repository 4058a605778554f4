"""Writes the demo documents from the prose below: `python documents/demo_files/build.py`. Needs the development packages.

Headings start with `#`; `docx` and `pdf` are laid out from the same text.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).resolve().parent

ACME_ACCORD = """# Accord relatif au temps de travail
Accord conclu le 12 mars 2026 entre la société Acme Mobilier, dont le siège est à Nantes, et les organisations syndicales représentatives. Il remplace l’accord du 4 juin 2019 et s’applique à compter du 1er avril 2026, pour une durée indéterminée.
## Article 1. Champ d’application
Le présent accord s’applique à l’ensemble des salariés de l’entreprise, à temps plein comme à temps partiel, à l’exception des cadres dirigeants. Les salariés intérimaires en bénéficient pour la durée de leur mission.
Les 214 salariés du site de Nantes et les 61 salariés de l’atelier de Cholet relèvent des mêmes règles, sauf pour les horaires d’équipe, que l’article 4 fixe séparément.
## Article 2. Durée hebdomadaire
La durée collective du travail est fixée à 35 heures par semaine en moyenne annuelle. L’horaire affiché est de 37 heures par semaine ; en contrepartie, chaque salarié à temps plein acquiert 12 jours de réduction du temps de travail (RTT) par année civile complète.
La durée maximale est de 10 heures par jour et de 46 heures par semaine. Le repos entre deux journées de travail est d’au moins 11 heures consécutives.
## Article 3. Horaires variables
Chacun choisit son heure d’arrivée entre 7 h 30 et 9 h 30, et son heure de départ entre 16 heures et 18 h 30. La présence est obligatoire de 9 h 30 à 11 h 45 et de 14 heures à 16 heures. La pause de midi dure au moins 45 minutes.
Un crédit d’heures peut être reporté d’un mois sur l’autre, dans la limite de 8 heures. Au-delà, les heures sont récupérées ou perdues, sauf accord écrit du responsable.
## Article 4. Travail en équipe à Cholet
L’atelier de Cholet travaille en deux équipes, de 5 heures à 13 heures et de 13 heures à 21 heures. Le changement d’équipe a lieu toutes les deux semaines. Une prime de 9,40 euros est versée par poste effectué en équipe.
Le planning est affiché au moins 14 jours à l’avance. Toute modification tardive ouvre droit à une compensation de deux heures de repos.
## Article 5. Heures supplémentaires
Les heures supplémentaires sont celles demandées par le responsable au-delà de 37 heures. Elles sont majorées de 25 % pour les huit premières et de 50 % pour les suivantes. Le contingent annuel est de 180 heures par salarié.
Le salarié peut préférer un repos compensateur, à prendre dans les quatre mois, par journées ou demi-journées.
## Article 6. Congés payés
Chaque salarié acquiert 25 jours ouvrés de congés payés par an. La période de référence va du 1er juin au 31 mai. Les demandes de congés d’été sont déposées au plus tard le 31 mars ; l’employeur répond dans les 15 jours.
Dix jours ouvrés consécutifs sont pris entre le 1er mai et le 31 octobre. Deux jours de fractionnement sont accordés lorsque au moins six jours sont pris en dehors de cette période.
## Article 7. Compte épargne-temps
Chaque salarié ayant un an d’ancienneté peut ouvrir un compte épargne-temps. Il y verse jusqu’à 10 jours par an : la cinquième semaine de congés, des jours de RTT et des repos compensateurs. Le compte est plafonné à 60 jours.
Les jours épargnés servent à un congé pour convenance personnelle, avec un préavis de trois mois, ou à une fin de carrière anticipée. Ils peuvent être payés dans la limite de cinq jours par an.
## Article 8. Droit à la déconnexion
Aucun salarié n’est tenu de répondre à un message professionnel entre 19 heures et 8 heures, ni pendant ses congés. Les réunions ne commencent pas avant 9 h 30 et ne finissent pas après 17 h 30.
## Article 9. Suivi, révision et dénonciation
Une commission de suivi, composée de deux représentants de la direction et de deux représentants par organisation signataire, se réunit chaque année en novembre. L’accord peut être dénoncé par l’une des parties avec un préavis de trois mois, notifié par lettre recommandée avec avis de réception.
"""

ACME_CONTRACT = """# Framework contract for the supply of fabrics
This framework contract is made on 9 February 2026 between Acme Mobilier SAS, Nantes (the buyer), and Harrow Mills Ltd, Leeds (the supplier), reference FC-2026-017. It governs all orders placed between 1 March 2026 and 28 February 2029.
## 1. Orders and forecasts
The buyer sends a rolling forecast for six months on the first working day of each month. The forecast does not bind. Orders are placed in writing; the supplier confirms each order within three working days, after which it is deemed accepted.
The minimum order is 400 metres per reference. Samples of up to 5 metres are free of charge.
## 2. Prices
Prices are those of Annex A, in euros, delivered duty paid to Nantes. They are fixed until 31 December 2026. After that date either party may ask for a review once a year, within the limit of 4 % or the change of the cotton index, whichever is lower.
A rebate of 2.5 % is granted on the yearly volume above 60,000 metres.
## 3. Delivery and penalties
The usual lead time is 21 days from confirmation. For each full week of delay the supplier owes a penalty of 1 % of the value of the delayed goods, up to 8 %. Beyond eight weeks the buyer may cancel the order.
## 4. Quality and warranty
Fabrics meet EN 14465 and withstand at least 40,000 Martindale cycles. The buyer reports visible defects within ten working days of receipt. The warranty against hidden defects lasts 24 months.
## 5. Payment
Invoices are payable 45 days after the end of the month. Late payment bears interest at three times the legal rate and a fixed recovery fee of 40 euros.
## 6. Termination and notice periods
Either party may end this contract by giving ninety days’ written notice, sent by registered mail. Where the other party is in breach of a material obligation and has not remedied it within thirty days of a formal notice, termination takes effect at once.
Orders confirmed before the end of the notice period are delivered and paid under the terms of this contract.
## 7. Confidentiality
Drawings, prices and forecasts are confidential for the term of the contract and five years thereafter.
## 8. Law and jurisdiction
This contract is governed by French law. Disputes go first to mediation at the Nantes chamber of commerce, for at most sixty days, and then to the commercial court of Nantes.
"""

ACME_NOTE = """# Note interne : télétravail et notes de frais

Service des ressources humaines, 3 novembre 2026. Contact : poste 4120.

## Télétravail

Le télétravail est ouvert après six mois d’ancienneté, à raison de deux jours par semaine au plus, hors lundi. La demande se fait dans l’outil RH ; le responsable répond sous dix jours. Une indemnité de 2,60 euros est versée par jour télétravaillé, plafonnée à 57,20 euros par mois.

Le poste fourni comprend un ordinateur portable, un écran et un casque. Le siège ergonomique est pris en charge à hauteur de 180 euros, une fois tous les cinq ans.

## Notes de frais

| Dépense | Plafond | Justificatif |
|---|---|---|
| Repas en déplacement, province | 21,10 euros | ticket |
| Repas en déplacement, Paris | 26,40 euros | ticket |
| Nuit d’hôtel, province | 95 euros | facture |
| Nuit d’hôtel, Paris | 140 euros | facture |
| Kilomètre, véhicule personnel | 0,529 euro | carte grise |

Les notes de frais sont déposées avant le 5 du mois suivant. Elles sont remboursées avec la paie, le 28. Au-delà de trois mois, une dépense n’est plus remboursée.
"""

GLOBEX_HANDBOOK = """# Warehouse safety handbook
Globex Logistics, Rotterdam and Lille sites. Edition 7, valid from 1 September 2026. Owner: Daniel Reyes, operations.
## 1. Who this handbook is for
It applies to the 338 employees of both sites, to temporary workers and to drivers of other companies while they are on the premises. Everybody signs for having read it on the first day.
## 2. Personal protection
Safety shoes of class S3, a high-visibility vest and, in zones C and D, a helmet are worn at all times. Hearing protection is compulsory where the level exceeds 85 dB, that is beside the sorter in hall 2.
Lost or worn equipment is replaced the same day at the counter in hall 1, open from 5:30 to 22:00.
## 3. Forklifts
Only licensed drivers use forklifts. The licence is renewed every three years. The speed limit is 8 km/h indoors and 12 km/h in the yard. Forklifts keep two metres from any pedestrian; at crossings the pedestrian has priority.
Batteries are charged in the ventilated room of hall 3 only. A forklift that leaks acid is parked outside and reported to extension 512.
## 4. Racks and loads
No pallet above 950 kg goes on the upper levels. A damaged upright is reported at once and the bay is unloaded within four hours. Racks are inspected by an outside engineer every twelve months, the next time in March 2027.
## 5. Dangerous goods
Lithium batteries, aerosols and paints are stored in bunker 4. At most 2,400 kg of aerosols may be present at any time. The dangerous goods officer, Ines Costa, releases each consignment.
## 6. Fire
On the alarm, leave by the nearest green exit and gather at point F, beside the gate on the canal side. Do not use the lifts. Drills take place in April and October; the site must be empty within four minutes.
## 7. Accidents and near misses
Call 112, then extension 500. First-aid boxes are at every second column. Each accident and each near miss is reported within 24 hours in the incident tool; the safety committee reads the reports every Thursday.
## 8. Working in the cold store
The cold store is kept at minus 22 degrees. Nobody stays longer than 45 minutes without a warm break of 15 minutes. Two people are always present. The allowance for cold work is 1.80 euros an hour.
## 9. Visitors
Visitors register at the gate, wear a yellow vest and are accompanied. Photographs need written permission from operations.
"""

GLOBEX_CONTRAT = """# Contrat de transport Lille–Lyon
Contrat conclu le 18 mai 2026 entre Globex Logistics France, Lille, et les Transports Vasseur, Arras, sous la référence TR-2026-44. Il prend effet le 1er juin 2026 pour une durée de deux ans.
## 1. Objet
Le transporteur assure chaque nuit ouvrée une liaison entre la plateforme de Lille et celle de Lyon, avec une semi-remorque de 33 palettes. Le départ de Lille est fixé à 20 h 15 et l’arrivée à Lyon à 5 heures au plus tard.
## 2. Prix
Le prix de la liaison est de 1 184 euros hors taxes. Il est indexé chaque trimestre sur le prix du gazole professionnel, qui compte pour 28 % du prix. Une palette supplémentaire est facturée 41 euros.
## 3. Retards
Un retard de plus d’une heure donne lieu à une pénalité de 90 euros, un retard de plus de trois heures à une pénalité de 260 euros, sauf cas de force majeure. Les pénalités sont plafonnées à 6 % de la facturation mensuelle.
## 4. Température dirigée
Les marchandises fraîches voyagent entre 2 et 6 degrés. Le relevé de température est remis à l’arrivée. Au-delà de 8 degrés pendant plus de trente minutes, la marchandise est refusée.
## 5. Assurance
Le transporteur est assuré à hauteur de 23 euros par kilogramme et de 500 000 euros par sinistre. L’attestation est fournie chaque année avant le 31 janvier.
## 6. Résiliation
Le contrat peut être résilié par l’une ou l’autre des parties avec un préavis de quatre mois, notifié par lettre recommandée. En cas de trois retards de plus de trois heures au cours d’un même mois, le préavis est réduit à trente jours.
## 7. Sous-traitance
La sous-traitance est interdite sans accord écrit. Les conducteurs parlent français ou anglais et présentent leur carte à l’entrée du site.
"""

GLOBEX_NOTE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Customs desk: opening hours and deadlines</title></head><body>
<h1>Customs desk: opening hours and deadlines</h1>
<p>Note of 6 October 2026, by Priya Raman. It replaces the note of January 2025.</p>
<h2>Opening hours</h2>
<p>The customs desk in Rotterdam is open from 6:00 to 20:00 on weekdays and from 7:00 to 12:00 on Saturdays. Outside these hours call the duty officer on extension 640.</p>
<h2>Deadlines</h2>
<ul>
<li>Import declarations are lodged at least two hours before the vessel berths.</li>
<li>Export declarations are lodged 24 hours before loading, for containers 48 hours.</li>
<li>Transit documents T1 are discharged within eight days.</li>
</ul>
<h2>Fees</h2>
<table>
<tr><th>Service</th><th>Fee in euros</th></tr>
<tr><td>Import declaration, up to five lines</td><td>38</td></tr>
<tr><td>Each further line</td><td>3.50</td></tr>
<tr><td>Export declaration</td><td>32</td></tr>
<tr><td>Physical inspection, per container</td><td>145</td></tr>
</table>
<p>Declarations are kept for seven years. A correction after release costs 60 euros and needs the signature of the declarant.</p>
</body></html>
"""


def write_pdf(path: Path, text: str, language: str) -> None:
    """Lay out prose on A4 pages."""
    from reportlab.lib.enums import TA_JUSTIFY
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate

    styles = {
        "# ": ParagraphStyle("title", fontName="Times-Bold", fontSize=19, leading=24, spaceAfter=14),
        "## ": ParagraphStyle("heading", fontName="Times-Bold", fontSize=13, leading=17, spaceBefore=14, spaceAfter=4),
        "": ParagraphStyle("body", fontName="Times-Roman", fontSize=11, leading=15.5, spaceAfter=7, alignment=TA_JUSTIFY),
    }
    story: list[Flowable] = []
    for line in text.strip().splitlines():
        mark = next(mark for mark in ("# ", "## ", "") if line.startswith(mark))
        story.append(Paragraph(line[len(mark) :], styles[mark]))
    title = text.splitlines()[0].removeprefix("# ")
    SimpleDocTemplate(
        str(path), pagesize=A4, title=title, lang=language, leftMargin=76, rightMargin=76, topMargin=76, bottomMargin=76, invariant=1
    ).build(story)


def write_docx(path: Path, text: str) -> None:
    from docx import Document

    document = Document()
    for line in text.strip().splitlines():
        if line.startswith("#"):
            mark, _, heading = line.partition(" ")
            document.add_heading(heading, len(mark))
        else:
            document.add_paragraph(line)
    document.save(str(path))


if __name__ == "__main__":
    write_pdf(HERE / "acme" / "Accord temps de travail 2026.pdf", ACME_ACCORD, "fr")
    write_docx(HERE / "acme" / "Framework contract FC-2026-017.docx", ACME_CONTRACT)
    (HERE / "acme" / "Note télétravail et frais.md").write_text(ACME_NOTE, encoding="utf-8")
    write_pdf(HERE / "globex" / "Warehouse safety handbook.pdf", GLOBEX_HANDBOOK, "en")
    write_docx(HERE / "globex" / "Contrat de transport TR-2026-44.docx", GLOBEX_CONTRAT)
    (HERE / "globex" / "Customs desk.html").write_text(GLOBEX_NOTE, encoding="utf-8")
