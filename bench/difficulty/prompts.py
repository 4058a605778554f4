# ruff: noqa: E501
"""Prompts in French and English whose difficulty is known by the task they set: a template each, three fillings.

A template is (hard, French, English, fillings of both). Lookups, greetings, rewriting, extraction from a text that is
there, one step of arithmetic and school knowledge are easy whatever their length; proofs, programs with conditions,
problems of several steps, comparisons under criteria, plans with constraints, logic and professional knowledge are hard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Prompt:
    template: int
    language: Literal["fr", "en"]
    hard: bool
    text: str


NOTE_FR = (
    "Réunion du 12 mars. Présents : Claire Morel, Hugo Petit, Inès Blanc. Le budget de la rénovation est fixé à 48 000 euros. "
    "Les travaux commencent le 2 mai et durent six semaines. Hugo appelle l'architecte. La prochaine réunion a lieu le 9 avril "
    "à 14 heures dans la salle bleue. Le parking sera fermé pendant les travaux et un accès provisoire est prévu par la rue des Lilas."
)
NOTE_EN = (
    "Meeting of 12 March. Present: Claire Morel, Hugo Petit, Ines Blanc. The budget for the renovation is set at 48,000 euros. "
    "Work starts on 2 May and lasts six weeks. Hugo calls the architect. The next meeting takes place on 9 April at 2 p.m. in the "
    "blue room. The car park stays closed during the work and a temporary entrance is planned on Lilac Street."
)
SAME = [("", ""), (" s'il te plaît", " please"), (" merci", " thanks")]

TEMPLATES: list[tuple[bool, str, str, list[tuple[str, str]]]] = [
    # Easy: talk and facts
    (False, "Bonjour{}, comment vas-tu ?", "Hello{}, how are you?", [("", ""), (" à toi", " there"), (" mon ami", " my friend")]),
    (
        False,
        "Merci beaucoup, c'est {}.",
        "Thank you very much, that is {}.",
        [("parfait", "perfect"), ("très clair", "very clear"), ("tout", "all")],
    ),
    (
        False,
        "Quelle est la capitale {} ?",
        "What is the capital of {}?",
        [("du Portugal", "Portugal"), ("de la Norvège", "Norway"), ("du Kenya", "Kenya")],
    ),
    (
        False,
        "Qui a écrit {} ?",
        "Who wrote {}?",
        [("Les Misérables", "Les Misérables"), ("Hamlet", "Hamlet"), ("L'Étranger", "The Stranger")],
    ),
    (
        False,
        "En quelle année {} ?",
        "In which year {}?",
        [
            ("a eu lieu la Révolution française", "did the French Revolution take place"),
            ("le mur de Berlin est-il tombé", "did the Berlin wall fall"),
            ("Neil Armstrong a-t-il marché sur la Lune", "did Neil Armstrong walk on the Moon"),
        ],
    ),
    (
        False,
        "Combien de {} ?",
        "How many {}?",
        [
            ("jours y a-t-il en février 2024", "days are there in February 2024"),
            ("centimètres font deux mètres", "centimetres are two metres"),
            ("côtés a un hexagone", "sides does a hexagon have"),
        ],
    ),
    (
        False,
        "Donne-moi un synonyme de « {} ».",
        "Give me a synonym of “{}”.",
        [("rapide", "fast"), ("content", "happy"), ("difficile", "difficult")],
    ),
    (
        False,
        "Que veut dire le mot « {} » ?",
        "What does the word “{}” mean?",
        [("éphémère", "ephemeral"), ("préavis", "notice"), ("facture", "invoice")],
    ),
    (
        False,
        "Comment dit-on « {} » en espagnol ?",
        "How do you say “{}” in Spanish?",
        [("bonne nuit", "good night"), ("la gare", "the station"), ("à demain", "see you tomorrow")],
    ),
    (
        False,
        "Quels sont les horaires {} ?",
        "What are the opening hours of {}?",
        [("de l'accueil", "the front desk"), ("de la cantine", "the canteen"), ("du service informatique", "the help desk")],
    ),
    (
        False,
        "Où se trouve {} ?",
        "Where is {}?",
        [
            ("le formulaire de congés", "the holiday form"),
            ("la charte informatique", "the IT policy"),
            ("le plan du bâtiment", "the map of the building"),
        ],
    ),
    (
        False,
        "Quel est le numéro de {} ?",
        "What is the number of {}?",
        [("la garantie", "the warranty"), ("l'assistance", "support"), ("la commande", "the order")],
    ),
    (
        False,
        "Qui est le responsable {} ?",
        "Who is in charge {}?",
        [("du projet Atlas", "of project Atlas"), ("de la sécurité", "of security"), ("des achats", "of purchasing")],
    ),
    # Easy: long, but the answer is there or the work is plain
    (
        False,
        "Résume ce compte rendu en deux phrases{}.\n\n" + NOTE_FR,
        "Summarise these minutes in two sentences{}.\n\n" + NOTE_EN,
        SAME,
    ),
    (
        False,
        "Quel est {} d'après ce texte ?\n\n" + NOTE_FR,
        "What is {} according to this text?\n\n" + NOTE_EN,
        [
            ("le budget", "the budget"),
            ("le jour de la prochaine réunion", "the day of the next meeting"),
            ("le nom de la salle", "the name of the room"),
        ],
    ),
    (
        False,
        "Liste {} du texte suivant :\n" + NOTE_FR,
        "List {} in the following text:\n" + NOTE_EN,
        [("les noms", "the names"), ("les dates", "the dates"), ("les lieux", "the places")],
    ),
    (
        False,
        "Corrige les fautes de ce message : « {} »",
        "Correct the mistakes in this message: “{}”",
        [
            (
                "Bonjour, je vous envoi le dossié demain matin, bonne journé.",
                "Hello, I send you the fil tomorow morning, have a nice day.",
            ),
            (
                "Nous avons reçus votre demande et nous vous répondront vite.",
                "We has received your request and will answered soon.",
            ),
            ("Les clés sont resté sur le bureau de Paul.", "The keys is left on the desk of Paul."),
        ],
    ),
    (
        False,
        "Traduis en anglais : « {} »",
        "Translate into French: “{}”",
        [
            ("La réunion est reportée à jeudi prochain à dix heures.", "The meeting is postponed to next Thursday at ten."),
            ("Le colis est arrivé ce matin.", "The parcel arrived this morning."),
            ("Merci de fermer la porte en partant.", "Please close the door when you leave."),
        ],
    ),
    (
        False,
        "Écris un court message pour {}.",
        "Write a short message to {}.",
        [
            ("souhaiter un bon anniversaire à une collègue", "wish a colleague a happy birthday"),
            ("remercier un client", "thank a customer"),
            ("annoncer que je serai absent lundi", "say that I will be away on Monday"),
        ],
    ),
    (
        False,
        "Reformule poliment : « {} »",
        "Say this politely: “{}”",
        [
            ("Envoie-moi le fichier.", "Send me the file."),
            ("Vous êtes en retard.", "You are late."),
            ("Je ne veux pas venir.", "I do not want to come."),
        ],
    ),
    (
        False,
        "Mets ces mots par ordre alphabétique : {}.",
        "Put these words in alphabetical order: {}.",
        [
            ("poire, banane, cerise, abricot", "pear, banana, cherry, apricot"),
            ("lundi, mardi, jeudi", "Monday, Tuesday, Thursday"),
            ("Paris, Lyon, Brest, Nice", "Paris, Lyon, Brest, Nice"),
        ],
    ),
    (
        False,
        "Donne trois idées de {}.",
        "Give three ideas for {}.",
        [("dessert", "dessert"), ("cadeau", "a present"), ("nom pour un chat", "a name for a cat")],
    ),
    (
        False,
        "Ce commentaire est-il positif ou négatif ? « {} »",
        "Is this comment positive or negative? “{}”",
        [
            ("Service rapide et personnel charmant, je reviendrai.", "Fast service and charming staff, I will come back."),
            ("J'ai attendu une heure, plus jamais.", "I waited an hour, never again."),
            ("Très bon rapport qualité-prix.", "Very good value for money."),
        ],
    ),
    (False, "Calcule {}.", "Compute {}.", [("12 + 7", "12 + 7"), ("9 fois 8", "9 times 8"), ("la moitié de 50", "half of 50")]),
    (
        False,
        "Anna a {0} pommes et en mange 2. Combien lui en reste-t-il ?",
        "Anna has {0} apples and eats 2. How many are left?",
        [("7", "7"), ("10", "10"), ("5", "5")],
    ),
    (
        False,
        "Un stylo coûte {0} euros. Combien coûtent 3 stylos ?",
        "A pen costs {0} euros. How much do 3 pens cost?",
        [("2", "2"), ("4", "4"), ("5", "5")],
    ),
    (
        False,
        "Comment {} dans le tableur ?",
        "How do I {} in the spreadsheet?",
        [
            ("figer la première ligne", "freeze the first row"),
            ("trier une colonne", "sort a column"),
            ("imprimer une page", "print one page"),
        ],
    ),
    (
        False,
        "Laquelle est une planète ? A) {} B) Mars C) Lune D) Soleil",
        "Which one is a planet? A) {} B) Mars C) Moon D) Sun",
        [("Sirius", "Sirius"), ("Titan", "Titan"), ("Vega", "Vega")],
    ),
    (
        False,
        "Quel organe pompe le sang ?\nA. le foie\nB. le cœur\nC. {}\nD. la peau",
        "Which organ pumps the blood?\nA. the liver\nB. the heart\nC. {}\nD. the skin",
        [("le rein", "the kidney"), ("le poumon", "the lung"), ("l'estomac", "the stomach")],
    ),
    (
        False,
        "Dans une publicité, le slogan sert surtout à :\nA. {}\nB. se faire remarquer\nC. payer des impôts\nD. embaucher",
        "In an advertisement, the slogan mostly serves to:\nA. {}\nB. get noticed\nC. pay taxes\nD. hire people",
        [("dormir", "sleep"), ("livrer", "deliver"), ("compter", "count")],
    ),
    (
        False,
        "Raconte-moi une blague sur {}.",
        "Tell me a joke about {}.",
        [("les chats", "cats"), ("le lundi", "Mondays"), ("la pluie", "rain")],
    ),
    (False, "Peux-tu raccourcir ce texte ?\n\n" + NOTE_FR + " {}", "Can you shorten this text?\n\n" + NOTE_EN + " {}", SAME),
    # Easy and long: context that changes nothing
    (
        False,
        "Je travaille à l'accueil depuis trois ans et une cliente m'a encore demandé ce matin, entre deux appels, alors que la file était longue et le téléphone sonnait, {} Tu peux me rappeler ça ?",
        "I have been working at the front desk for three years and a customer asked me again this morning, between two calls, while the queue was long and the phone kept ringing, {} Can you remind me?",
        [
            ("à quelle heure nous fermons le samedi.", "what time we close on Saturdays."),
            ("où se trouve l'ascenseur.", "where the lift is."),
            ("le nom de la directrice.", "the name of the director."),
        ],
    ),
    (
        False,
        "Salut ! Hier soir nous avons mangé dehors avec toute la famille, il faisait beau, les enfants ont joué dans le jardin et ma sœur avait apporté une tarte. Écris-moi un petit mot gentil pour la remercier {}.",
        "Hi! Last night we ate outside with the whole family, the weather was nice, the children played in the garden and my sister had brought a tart. Write me a kind little note to thank her {}.",
        [("pour la tarte", "for the tart"), ("d'être venue", "for coming"), ("de la part des enfants", "from the children")],
    ),
    (
        False,
        "Voici un message de mon voisin. Mets-le en majuscules et ne change rien d'autre {} : « Le facteur est passé à midi, il a laissé un paquet chez moi parce que personne ne répondait chez vous, je le garde jusqu'à ce soir et je serai là après dix-neuf heures. »",
        "Here is a message from my neighbour. Put it in capital letters and change nothing else {}: “The postman came at noon, he left a parcel with me because nobody answered at your place, I keep it until tonight and I will be in after seven.”",
        SAME,
    ),
    (
        False,
        "Classe ces achats en fruits, légumes ou autres : pommes, carottes, savon, bananes, poireaux, piles, cerises, tomates, pain, salade, riz, oranges, oignons, sel, café, {}.",
        "Sort these purchases into fruit, vegetables or others: apples, carrots, soap, bananas, leeks, batteries, cherries, tomatoes, bread, lettuce, rice, oranges, onions, salt, coffee, {}.",
        [("lait", "milk"), ("thé", "tea"), ("figues", "figs")],
    ),
    (
        False,
        "Lis l'histoire et dis qui a les clés. Paul est entré dans la maison, il a posé son manteau sur la chaise et il a donné les clés à {}. Ensuite ils ont préparé le repas, la pluie s'est mise à tomber, le chien a aboyé deux fois et tout le monde est allé se coucher tôt.",
        "Read the story and say who has the keys. Paul came into the house, put his coat on the chair and gave the keys to {}. Then they made dinner, the rain began to fall, the dog barked twice and everybody went to bed early.",
        [("Anna", "Anna"), ("sa fille", "his daughter"), ("Marc", "Mark")],
    ),
    (
        False,
        "Remplis ce modèle avec la date du {} : « Madame, Monsieur, nous avons bien reçu votre courrier du [date] et nous vous en remercions. Votre dossier a été transmis au service concerné, qui vous répondra dans les meilleurs délais. Nous restons à votre disposition et vous prions d'agréer nos salutations distinguées. »",
        "Fill in this form letter with the date of {}: “Dear Sir or Madam, we have received your letter of [date] and thank you for it. Your file has been passed on to the department concerned, which will answer you as soon as possible. We remain at your disposal. Yours faithfully.”",
        [("3 mars", "3 March"), ("15 juin", "15 June"), ("1er août", "1 August")],
    ),
    (
        False,
        "Un enfant demande pourquoi {}. Réponds en une phrase simple, il a cinq ans, il aime les dinosaures et il vient de rentrer de l'école avec ses copains.",
        "A child asks why {}. Answer in one simple sentence, he is five, he likes dinosaurs and he has just come home from school with his friends.",
        [
            ("le ciel est bleu", "the sky is blue"),
            ("les chats ronronnent", "cats purr"),
            ("il neige en hiver", "it snows in winter"),
        ],
    ),
    (
        False,
        "Laquelle de ces villes est en Italie ?\nA. Marseille, connue pour son vieux port et son savon\nB. Florence, connue pour ses musées\nC. {}, connue pour ses places\nD. Séville, connue pour ses orangers",
        "Which of these cities is in Italy?\nA. Marseille, known for its old harbour and its soap\nB. Florence, known for its museums\nC. {}, known for its squares\nD. Seville, known for its orange trees",
        [("Bruxelles", "Brussels"), ("Vienne", "Vienna"), ("Prague", "Prague")],
    ),
    (
        False,
        "Quel sentiment exprime un ami qui dit « {} » ?\n(A) la joie\n(B) la colère\n(C) l'ennui\n(D) la faim",
        "What does a friend feel who says “{}”?\n(A) joy\n(B) anger\n(C) boredom\n(D) hunger",
        [
            ("Quelle belle surprise !", "What a lovely surprise!"),
            ("Laisse-moi tranquille !", "Leave me alone!"),
            ("Je mangerais un bœuf.", "I could eat a horse."),
        ],
    ),
    (
        False,
        "Lena lit 12 pages par jour. Combien de pages lit-elle en {0} jours ?",
        "Lena reads 12 pages a day. How many pages does she read in {0} days?",
        [("2", "2"), ("3", "3"), ("5", "5")],
    ),
    # Hard and short
    (
        True,
        "Prouve l'inégalité {}.",
        "Prove the {} inequality.",
        [("de Cauchy-Schwarz", "Cauchy-Schwarz"), ("de Jensen", "Jensen"), ("triangulaire inverse", "reverse triangle")],
    ),
    (
        True,
        "Implémente {} sans récursion.",
        "Implement {} without recursion.",
        [("quicksort", "quicksort"), ("un parcours d'arbre", "a tree traversal"), ("les tours de Hanoï", "the towers of Hanoi")],
    ),
    (
        True,
        "{} est-il décidable ? Pourquoi ?",
        "Is {} decidable? Why?",
        [
            ("Le problème de l'arrêt", "the halting problem"),
            ("Le dixième problème de Hilbert", "Hilbert's tenth problem"),
            ("L'arithmétique de Presburger", "Presburger arithmetic"),
        ],
    ),
    (
        True,
        "Trouve les valeurs propres de {}.",
        "Find the eigenvalues of {}.",
        [("[[2,1],[1,2]]", "[[2,1],[1,2]]"), ("[[0,-1],[1,0]]", "[[0,-1],[1,0]]"), ("[[4,1],[2,3]]", "[[4,1],[2,3]]")],
    ),
    (
        True,
        "Combien de zéros finissent {0}! en base 12 ?",
        "How many zeros end {0}! in base 12?",
        [("100", "100"), ("250", "250"), ("77", "77")],
    ),
    (
        True,
        "Kant aurait-il approuvé {} ? Argumente.",
        "Would Kant have approved of {}? Argue.",
        [
            ("le mensonge charitable", "a charitable lie"),
            ("le suicide assisté", "assisted suicide"),
            ("la désobéissance civile", "civil disobedience"),
        ],
    ),
    (
        True,
        "Optimise cette requête : SELECT * FROM {} WHERE YEAR(d) = 2024.",
        "Optimise this query: SELECT * FROM {} WHERE YEAR(d) = 2024.",
        [("ventes", "sales"), ("journaux", "logs"), ("clients", "customers")],
    ),
    (
        True,
        "Quel est l'équilibre de Nash {} ?",
        "What is the Nash equilibrium of {}?",
        [
            ("du dilemme du prisonnier répété", "the repeated prisoner's dilemma"),
            ("du jeu de la poule mouillée", "the game of chicken"),
            ("d'une enchère au second prix", "a second-price auction"),
        ],
    ),
    (
        True,
        "Quelle est la masse molaire d'un gaz dont la densité est {0} g/L à 300 K et 2 atm ?",
        "What is the molar mass of a gas whose density is {0} g/L at 300 K and 2 atm?",
        [("1.6", "1.6"), ("2.4", "2.4"), ("3.1", "3.1")],
    ),
    (
        True,
        "Simon court {0} fois plus vite que Léo, part 10 minutes après lui et le rattrape à 6 km. Quelle est la vitesse de Léo ?",
        "Simon runs {0} times as fast as Leo, starts 10 minutes after him and catches up at 6 km. How fast is Leo?",
        [("2", "2"), ("3", "3"), ("1.5", "1.5")],
    ),
    (
        True,
        "Affirmation 1 : {} Affirmation 2 : tout corps fini est commutatif.\nA. Vrai, vrai\nB. Vrai, faux\nC. Faux, vrai\nD. Faux, faux",
        "Statement 1: {} Statement 2: every finite division ring is commutative.\nA. True, true\nB. True, false\nC. False, true\nD. False, false",
        [
            ("tout groupe abélien est cyclique.", "every abelian group is cyclic."),
            ("tout anneau intègre fini est un corps.", "every finite integral domain is a field."),
            ("S4 est résoluble.", "S4 is solvable."),
        ],
    ),
    (
        True,
        "Dans quel cas {} engage-t-elle la responsabilité de l'employeur ?\nA. faute détachable\nB. prêt de main-d'œuvre\nC. abus de fonctions\nD. cas fortuit",
        "When does {} make the employer liable?\nA. frolic and detour\nB. borrowed servant\nC. ultra vires act\nD. act of God",
        [
            ("la faute d'un salarié", "an employee's tort"),
            ("une sous-traitance", "subcontracting"),
            ("une délégation", "a delegation"),
        ],
    ),
    # Hard: proof and mathematics
    (
        True,
        "Démontre que {}.",
        "Prove that {}.",
        [
            ("la racine carrée de 2 est irrationnelle", "the square root of 2 is irrational"),
            ("il existe une infinité de nombres premiers", "there are infinitely many primes"),
            ("tout sous-groupe d'un groupe cyclique est cyclique", "every subgroup of a cyclic group is cyclic"),
        ],
    ),
    (
        True,
        "Montre que la suite définie par {} converge et calcule sa limite.",
        "Show that the sequence defined by {} converges and compute its limit.",
        [
            ("u0 = 1 et u(n+1) = sqrt(2 + u(n))", "u0 = 1 and u(n+1) = sqrt(2 + u(n))"),
            ("u(n) = (1 + 1/n)^n", "u(n) = (1 + 1/n)^n"),
            ("u0 = 3 et u(n+1) = (u(n) + 2/u(n))/2", "u0 = 3 and u(n+1) = (u(n) + 2/u(n))/2"),
        ],
    ),
    (
        True,
        "Calcule l'intégrale de {} et justifie chaque étape.",
        "Compute the integral of {} and justify each step.",
        [
            ("x^2 e^(-x) entre 0 et l'infini", "x^2 e^(-x) from 0 to infinity"),
            ("ln(x)/x^2 entre 1 et l'infini", "ln(x)/x^2 from 1 to infinity"),
            ("1/(1+x^4) sur R", "1/(1+x^4) over R"),
        ],
    ),
    (
        True,
        "On tire {0} cartes d'un jeu de 52 sans remise. Quelle est la probabilité d'avoir au moins deux as, sachant que la première est rouge ?",
        "{0} cards are drawn from a deck of 52 without replacement. What is the probability of at least two aces, given that the first is red?",
        [("4", "4"), ("5", "5"), ("6", "6")],
    ),
    (
        True,
        "Un train part de Lyon à 8 h 15 à {0} km/h, un autre de Paris à 8 h 40 à 120 km/h dans l'autre sens ; la distance est de 465 km et le premier s'arrête 12 minutes. À quelle heure se croisent-ils ?",
        "A train leaves Lyon at 8:15 at {0} km/h, another leaves Paris at 8:40 at 120 km/h the other way; the distance is 465 km and the first stops for 12 minutes. At what time do they meet?",
        [("90", "90"), ("105", "105"), ("140", "140")],
    ),
    (
        True,
        "Une boutique achète 240 vases à {0} euros, en casse 5 %, vend les deux tiers du reste avec 60 % de marge, puis solde ce qui reste à 30 % sous le prix de vente. Combien gagne-t-elle en tout après 18 % d'impôt ?",
        "A shop buys 240 vases at {0} euros, breaks 5 %, sells two thirds of the rest with a 60 % markup, then sells what is left at 30 % below that price. How much does it earn in total after 18 % tax?",
        [("12", "12"), ("15", "15"), ("18.50", "18.50")],
    ),
    (
        True,
        "Marie a deux fois l'âge que Paul avait quand Marie avait l'âge de Paul. La somme de leurs âges est {0}. Quel âge ont-ils ?",
        "Mary is twice as old as Paul was when Mary was as old as Paul is now. Their ages add up to {0}. How old are they?",
        [("63", "63"), ("49", "49"), ("77", "77")],
    ),
    (
        True,
        "Chaque jour, Tom remplit 3 caisses de {0} pièces, en jette une sur 8, puis vend un quart du reste à 4 euros et garde le surplus. Si son loyer est de 210 euros par semaine et qu'il travaille 5 jours, combien lui reste-t-il après 4 semaines ?",
        "Every day Tom fills 3 boxes of {0} pieces, throws away one in 8, then sells a quarter of the rest at 4 euros each and keeps the others. If his rent is 210 euros a week and he works 5 days, how much does he have left after 4 weeks?",
        [("32", "32"), ("40", "40"), ("64", "64")],
    ),
    (
        True,
        "Résous {} et discute selon le paramètre a.",
        "Solve {} and discuss the cases of the parameter a.",
        [
            ("ax^2 - 3x + a = 0", "ax^2 - 3x + a = 0"),
            ("x + ay = 1, ax + y = 2", "x + ay = 1, ax + y = 2"),
            ("|x - a| < 2x + 1", "|x - a| < 2x + 1"),
        ],
    ),
    # Hard: code
    (
        True,
        "Écris en Python {} en temps O(n log n), avec des tests des cas limites.",
        "Write in Python {} in O(n log n) time, with tests of the edge cases.",
        [
            (
                "une fonction qui trouve la plus longue sous-suite croissante",
                "a function that finds the longest increasing subsequence",
            ),
            ("un ordonnanceur de tâches avec priorités", "a task scheduler with priorities"),
            ("une fusion de k listes triées", "a merge of k sorted lists"),
        ],
    ),
    (
        True,
        "Écris une requête SQL qui donne {}, sans sous-requête corrélée.",
        "Write an SQL query that gives {}, without a correlated subquery.",
        [
            ("pour chaque client ses trois commandes les plus chères", "each customer's three dearest orders"),
            (
                "les jours où les ventes dépassent la moyenne mobile sur 7 jours",
                "the days on which sales exceed their 7-day moving average",
            ),
            ("les employés mieux payés que leur chef", "employees who earn more than their manager"),
        ],
    ),
    (
        True,
        "Pourquoi ce programme se bloque-t-il parfois et comment le corriger sans perdre de messages ?\n```\nasync def run(q):\n    while True:\n        async with lock:\n            item = await q.get()\n            await {}(item)\n```",
        "Why does this program sometimes hang, and how can it be fixed without losing messages?\n```\nasync def run(q):\n    while True:\n        async with lock:\n            item = await q.get()\n            await {}(item)\n```",
        [("send", "send"), ("store", "store"), ("push", "push")],
    ),
    (
        True,
        "Implémente {} en Rust sans allocation et explique les invariants.",
        "Implement {} in Rust without allocation and explain the invariants.",
        [
            ("un tampon circulaire partagé entre deux threads", "a ring buffer shared by two threads"),
            ("une table de hachage à adressage ouvert", "a hash table with open addressing"),
            ("un arbre rouge-noir", "a red-black tree"),
        ],
    ),
    (
        True,
        "Conçois l'architecture d'{} pour un million d'utilisateurs : pannes, cohérence, coûts.",
        "Design the architecture of {} for a million users: failures, consistency, costs.",
        [
            ("une messagerie instantanée", "a messaging service"),
            ("un moteur de recherche interne", "an internal search engine"),
            ("un système de réservation", "a booking system"),
        ],
    ),
    (
        True,
        "Donne une expression régulière qui accepte {} et refuse tout le reste, puis explique-la.",
        "Give a regular expression that accepts {} and refuses everything else, then explain it.",
        [
            ("les dates ISO valides, années bissextiles comprises", "valid ISO dates including leap years"),
            ("les adresses IPv6 abrégées", "abbreviated IPv6 addresses"),
            ("les nombres romains de 1 à 3999", "Roman numerals from 1 to 3999"),
        ],
    ),
    # Hard: reasoning, comparison, plans
    (
        True,
        "Compare {} selon le coût, la sécurité et l'entretien, puis recommande une solution en justifiant tes critères.",
        "Compare {} by cost, security and upkeep, then recommend one and justify your criteria.",
        [
            ("PostgreSQL et MongoDB pour un dossier médical", "PostgreSQL and MongoDB for medical records"),
            ("la location et l'achat d'une flotte de véhicules", "renting and buying a fleet of cars"),
            ("trois modes de chauffage pour une école", "three ways of heating a school"),
        ],
    ),
    (
        True,
        "Analyse les avantages et les risques {} pour une PME et propose un plan en cinq étapes avec des indicateurs.",
        "Analyse the benefits and risks of {} for a small company and propose a plan in five steps with indicators.",
        [
            ("du télétravail intégral", "fully remote work"),
            ("d'une migration vers le nuage", "a migration to the cloud"),
            ("de la semaine de quatre jours", "the four-day week"),
        ],
    ),
    (
        True,
        "Organise {} : chacun doit passer exactement deux fois, jamais deux jours de suite, au plus trois par jour, et Léa n'est pas là le mardi.",
        "Arrange {}: everyone must come exactly twice, never on two days in a row, at most three a day, and Lea is away on Tuesday.",
        [
            ("le planning de 7 personnes sur 5 jours", "the rota of 7 people over 5 days"),
            ("les oraux de 6 étudiants", "the oral exams of 6 students"),
            ("les gardes de 7 médecins", "the shifts of 7 doctors"),
        ],
    ),
    (
        True,
        "Cinq maisons de couleurs différentes : {} Qui possède le poisson ? Déduis la réponse pas à pas.",
        "Five houses of different colours: {} Who owns the fish? Deduce the answer step by step.",
        [
            (
                "l'Anglais vit dans la rouge, le Suédois a un chien, la verte est à gauche de la blanche.",
                "the Englishman lives in the red one, the Swede has a dog, the green one is left of the white one.",
            ),
            ("le Danois boit du thé, l'Allemand habite au milieu.", "the Dane drinks tea, the German lives in the middle."),
            (
                "le Norvégien habite la première, son voisin a un chat.",
                "the Norwegian lives in the first one, his neighbour has a cat.",
            ),
        ],
    ),
    (
        True,
        "Si tous les {0} sont des B et qu'aucun B n'est un C, mais que certains D sont des C, que peut-on conclure sur les D et les {0} ? Justifie.",
        "If all {0} are B and no B is a C, but some D are C, what can be concluded about D and {0}? Justify.",
        [("A", "A"), ("X", "X"), ("K", "K")],
    ),
    (
        True,
        "Quelles seraient les conséquences {} à long terme ? Pèse les arguments contraires.",
        "What would be the long-term consequences of {}? Weigh the arguments against.",
        [
            ("d'un revenu universel", "a universal income"),
            ("d'une dette publique à 150 % du PIB", "a public debt of 150 % of GDP"),
            ("de la fin des moteurs thermiques", "the end of combustion engines"),
        ],
    ),
    (
        True,
        "Explique pourquoi {} et quelles hypothèses sont nécessaires.",
        "Explain why {} and which assumptions are needed.",
        [
            ("l'entropie d'un système isolé ne diminue pas", "the entropy of an isolated system does not decrease"),
            ("le théorème CAP interdit d'avoir les trois propriétés", "the CAP theorem forbids having all three properties"),
            ("la courbe de Phillips s'est brisée dans les années 1970", "the Phillips curve broke down in the 1970s"),
        ],
    ),
    (
        True,
        "Critique la méthode de cette étude : {} Quels biais et quels facteurs de confusion vois-tu ?",
        "Criticise the method of this study: {} Which biases and confounders do you see?",
        [
            (
                "48 volontaires, sans groupe témoin, mesure avant et après.",
                "48 volunteers, no control group, measured before and after.",
            ),
            ("sondage en ligne auprès des clients satisfaits.", "online poll among satisfied customers."),
            ("données d'un seul hôpital pendant l'été.", "data of one hospital during the summer."),
        ],
    ),
    (
        True,
        "Rédige {} conforme au RGPD, en distinguant bases légales, durées et sous-traitants, sans dépasser 400 mots.",
        "Draft {} that complies with the GDPR, telling legal bases, periods and processors apart, in no more than 400 words.",
        [
            ("une politique de conservation", "a retention policy"),
            ("un registre de traitements", "a record of processing"),
            ("une clause de transfert hors UE", "a clause on transfers outside the EU"),
        ],
    ),
    # Hard: professional knowledge, short
    (
        True,
        "Soit G un groupe d'ordre {0}. Combien de 5-sous-groupes de Sylow peut-il avoir ?\nA. 1\nB. 6\nC. 11\nD. 16",
        "Let G be a group of order {0}. How many Sylow 5-subgroups can it have?\nA. 1\nB. 6\nC. 11\nD. 16",
        [("30", "30"), ("55", "55"), ("80", "80")],
    ),
    (
        True,
        "Un demandeur invoque {} ; le défendeur conteste la compétence du tribunal. Quelle règle de droit s'applique ?\nA. forclusion\nB. litispendance\nC. estoppel\nD. autorité de la chose jugée",
        "A plaintiff invokes {}; the defendant contests the jurisdiction of the court. Which rule of law applies?\nA. laches\nB. lis pendens\nC. estoppel\nD. res judicata",
        [
            ("un contrat verbal", "an oral contract"),
            ("une clause pénale", "a penalty clause"),
            ("un vice caché", "a hidden defect"),
        ],
    ),
    (
        True,
        "Quel est le degré de l'extension Q({}) sur Q ?",
        "What is the degree of the field extension Q({}) over Q?",
        [("√2, √3", "√2, √3"), ("∛2, i", "∛2, i"), ("√2, √8", "√2, √8")],
    ),
    (
        True,
        "Un électron est dans un puits de potentiel infini de largeur {} nm. Quelle est l'énergie du niveau n = 3 ?",
        "An electron is in an infinite potential well of width {} nm. What is the energy of level n = 3?",
        [("0.5", "0.5"), ("1", "1"), ("2", "2")],
    ),
    (
        True,
        "Un patient de 62 ans présente {} et une hyponatrémie. Quel diagnostic différentiel et quel bilan ?",
        "A 62-year-old patient presents with {} and hyponatraemia. Which differential diagnosis and which workup?",
        [("une confusion", "confusion"), ("une toux chronique", "a chronic cough"), ("des œdèmes", "oedema")],
    ),
    (
        True,
        "Quelle enzyme limite {} et comment est-elle régulée par allostérie ?",
        "Which enzyme limits {} and how is it regulated allosterically?",
        [
            ("la glycolyse", "glycolysis"),
            ("la synthèse du cholestérol", "cholesterol synthesis"),
            ("la néoglucogenèse", "gluconeogenesis"),
        ],
    ),
    (
        True,
        "Le caractère est-il continu, dérivable, les deux ou aucun en 0 pour f(x) = {} ?",
        "Is f(x) = {} continuous, differentiable, both or neither at 0?",
        [("x sin(1/x)", "x sin(1/x)"), ("|x|^(3/2)", "|x|^(3/2)"), ("x^2 cos(1/x)", "x^2 cos(1/x)")],
    ),
]


def prompts() -> list[Prompt]:
    """All of them, French and English side by side."""
    found = []
    for number, (hard, french, english, fillings) in enumerate(TEMPLATES):
        for fr, en in fillings:
            found.append(Prompt(number, "fr", hard, french.format(fr)))
            found.append(Prompt(number, "en", hard, english.format(en)))
    return found
